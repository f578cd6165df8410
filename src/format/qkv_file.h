// Queries, keys and values of one attention layer as a model computed them for a prompt: a
// safetensors file that `quarry run --dump-qkv` writes and `quarry bench attention` reads.
// docs/formats.md lists its tensors and metadata.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "quarry/status.h"
#include "quarry/types.h"

#include "base/file.h"
#include "format/safetensors.h"

namespace quarry {

struct QkvInfo {
  std::string model = {};  // where it came from, for people
  int64_t layer = 0;       // of the model
  int64_t tokens = 0;      // at positions 0, 1, ...
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t window = 0;          // keys that a query of the layer sees; 0: all
  int64_t native_context = 0;  // tokens the model was trained for
  // Queries and keys are not rotated. Pair p of a head, channels (p, p + rope.size()), turns by
  // position * rope[p], and all pairs are multiplied by rope_magnitude.
  std::vector<double> rope = {};
  double rope_magnitude = 1;

  int64_t q_width() const { return heads * head_dim; }
  int64_t kv_width() const { return kv_heads * head_dim; }
  friend bool operator==(const QkvInfo&, const QkvInfo&) = default;
};

// Writes such a file as the rows come. It appears under its name with Commit; a writer that goes
// away before leaves nothing. Movable.
class QkvWriter {
 public:
  // REQUIRES: the numbers of `info` are those of a model, and tokens is at least 1.
  static Result<QkvWriter> Create(const std::filesystem::path& path, const QkvInfo& info);

  // The rows of the next n tokens: [n][stride] each, of which q_width or kv_width are used.
  // REQUIRES: not more tokens than info.tokens in all.
  Status Write(int64_t n, const float* q, const float* k, const float* v, int64_t stride);
  int64_t written() const { return written_; }
  // REQUIRES: all rows were written, and nothing is called after it.
  Status Commit() { return file_.Commit(); }

 private:
  QkvWriter(AtomicFile file, const QkvInfo& info, uint64_t data)
      : file_(std::move(file)), info_(info), data_(data) {}
  Status WriteRows(int64_t n, const float* rows, int64_t stride, int64_t width, uint64_t tensor);

  AtomicFile file_;
  QkvInfo info_;
  uint64_t data_;  // where the tensors begin in the file
  int64_t written_ = 0;
  std::vector<float> packed_;
};

// What the metadata and the tensors' shapes of a file say; every number is checked, and the two
// against each other.
Result<QkvInfo> ReadQkvInfo(const SafetensorsFile& file);

// Row-major: q is [tokens][heads][head_dim], k and v [tokens][kv_heads][head_dim].
struct QkvRows {
  std::vector<float> q, k, v;
};

// The first `tokens` tokens. A value that is not finite is corrupt data.
// REQUIRES: info = ReadQkvInfo(file), 0 <= tokens <= info.tokens.
Result<QkvRows> ReadQkvRows(const SafetensorsFile& file, const QkvInfo& info, int64_t tokens);

}  // namespace quarry
