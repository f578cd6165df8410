// Writing GGUF files of version 3: the metadata and the list of tensors first, then their bytes one
// after the other, without holding more of them than the caller does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/status.h"

#include "base/function_ref.h"
#include "format/gguf.h"

namespace quarry {

// What a file will hold, in the order of the calls.
class GgufBuilder {
 public:
  void SetString(std::string_view key, std::string_view value);
  void SetU32(std::string_view key, uint32_t value);
  void SetF32(std::string_view key, float value);
  void SetBool(std::string_view key, bool value);
  void SetStrings(std::string_view key, std::span<const std::string> values);
  void SetFloats(std::string_view key, std::span<const float> values);
  void SetInts(std::string_view key, std::span<const int32_t> values);
  bool Has(std::string_view key) const;

  struct Tensor {
    std::string name;
    WeightType type;
    std::vector<int64_t> shape;  // outermost first
    uint64_t offset;
    uint64_t bytes;
  };
  // Fails on a name of 64 bytes or more, a repeated one, 0 or more than 4 dimensions, and rows that
  // are no whole number of blocks.
  Status AddTensor(std::string_view name, WeightType type, std::vector<int64_t> shape);

  const std::vector<Tensor>& tensors() const { return tensors_; }
  // Everything before the data, padded.
  std::string Header() const;
  // Of all tensors, padded.
  uint64_t data_bytes() const { return data_bytes_; }

 private:
  void Key(std::string_view key, GgufType type);
  template <typename T>
  void Append(T value);
  void AppendString(std::string_view value);

  std::string keys_;
  std::vector<std::string> key_names_;
  std::vector<Tensor> tensors_;
  uint64_t data_bytes_ = 0;
};

// Takes the bytes of one tensor, in order, in as many pieces as the caller likes.
using GgufSink = FunctionRef<Status(std::span<const std::byte>)>;

// Writes the file, whole or not at all. `produce(i, sink)` is called once for each tensor in order
// and must hand over exactly its bytes; an error it returns ends the writing and leaves nothing.
Status WriteGguf(const std::filesystem::path& path, const GgufBuilder& builder,
                 FunctionRef<Status(size_t, GgufSink)> produce);

}  // namespace quarry
