// Writes queries, keys and values of one layer into a file while a prompt is read: QkvDump.
#pragma once

#include <string>

#include "quarry/status.h"

#include "format/qkv_file.h"
#include "model/model.h"

namespace quarry {

class QkvRecorder final : public Model::Observer {
 public:
  // Of `info`: model, layer, tokens and native_context; the rest follows from shape and rope.
  // REQUIRES: the model has the layer.
  static Result<QkvRecorder> Create(const std::string& path, QkvInfo info, const ModelShape& shape,
                                    const Rope& rope);

  void OnQkv(const Qkv& rows) override;
  // After each forward pass: what became of its rows. When the last are there, the file appears.
  Status Check();

 private:
  QkvRecorder(QkvWriter writer, int64_t layer, int64_t tokens)
      : writer_(std::move(writer)), layer_(layer), tokens_(tokens) {}

  QkvWriter writer_;
  int64_t layer_;
  int64_t tokens_;
  Status status_;
};

}  // namespace quarry
