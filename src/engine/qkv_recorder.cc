#include "engine/qkv_recorder.h"

#include <utility>

namespace quarry {

Result<QkvRecorder> QkvRecorder::Create(const std::string& path, QkvInfo info,
                                        const ModelShape& shape, const Rope& rope) {
  info.heads = shape.heads;
  info.kv_heads = shape.kv_heads;
  info.head_dim = shape.head_dim;
  info.window = shape.window(static_cast<int>(info.layer));
  info.rope = rope.frequencies();
  info.rope_magnitude = rope.magnitude();
  Result<QkvWriter> writer = QkvWriter::Create(path, info);
  if (!writer.ok()) return writer.status();
  return QkvRecorder(std::move(*writer), info.layer, info.tokens);
}

void QkvRecorder::OnQkv(const Qkv& rows) {
  if (rows.layer != layer_ || !status_.ok()) return;
  status_ = writer_.Write(rows.n, rows.q, rows.k, rows.v, rows.stride);
}

Status QkvRecorder::Check() {
  if (status_.ok() && writer_.written() == tokens_) return writer_.Commit();
  return status_;
}

}  // namespace quarry
