// Reading and writing GGUF files: one container for a model's settings, its tokenizer and its
// tensors, quantised or not. docs/formats.md describes the bytes and every check.
//
// Nothing a file says is used before it has been compared with the bytes that exist. Keys, strings,
// arrays and tensors are views into a mapped file; what is built in memory is one small record per
// key and per tensor, each of which takes up more bytes in the file than a fixed share of its
// record.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/status.h"

#include "base/file.h"
#include "format/weight_view.h"
#include "tensor/weight_type.h"

namespace quarry {

struct GgufLimits {
  uint64_t keys = uint64_t{1} << 16;
  uint64_t tensors = uint64_t{1} << 17;
  uint64_t name_bytes = uint64_t{1} << 16;  // of a key's or tensor's name
  uint64_t array_elements = uint64_t{1} << 28;
};

// The ids of the format.
enum class GgufType : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64,
};
std::string_view GgufTypeName(GgufType type);

// One value of the metadata: where it lies, checked to be whole.
struct GgufValue {
  GgufType type = GgufType::kU8;  // of the value, or of an array's elements
  bool is_array = false;
  uint64_t count = 1;                // elements of an array
  std::span<const std::byte> bytes;  // the value, or an array's elements
};

struct GgufTensorInfo {
  std::string_view name;
  uint32_t ggml_type = 0;
  std::vector<int64_t> shape;  // outermost first: [out, in] for a matrix
  uint64_t offset = 0;         // from the start of the data
};

// A checked file of version 2 or 3, little-endian. Movable; reading is thread-safe.
class GgufFile {
 public:
  static Result<GgufFile> Open(const std::filesystem::path& path, const GgufLimits& limits = {});
  // The same over bytes that outlive the result; `name` is for messages.
  static Result<GgufFile> FromBytes(std::span<const std::byte> bytes, std::string_view name,
                                    const GgufLimits& limits = {});

  const std::string& name() const { return name_; }
  // Null if there is no such key.
  const GgufValue* FindKey(std::string_view key) const;
  size_t n_keys() const { return keys_.size(); }
  // Sorted by name.
  const std::vector<GgufTensorInfo>& tensors() const { return tensors_; }
  bool Contains(std::string_view tensor) const { return FindInfo(tensor) != nullptr; }
  // Not found, or unsupported if Quarry does not compute with its type.
  Result<WeightView> Find(std::string_view tensor) const;
  void ReleasePages() const { file_.ReleasePages(); }  // see MappedFile

 private:
  friend class GgufParser;
  struct Key {
    std::string_view name;
    GgufValue value;
  };
  const GgufTensorInfo* FindInfo(std::string_view tensor) const;

  std::string name_;
  MappedFile file_;                  // empty for FromBytes
  std::span<const std::byte> data_;  // after header and padding
  std::vector<Key> keys_;            // sorted
  std::vector<GgufTensorInfo> tensors_;
};

// Whether a path names a GGUF file: by its ending.
bool IsGgufPath(const std::filesystem::path& path);

// A model in one file, or in the parts name-00001-of-0000N.gguf of which the first is named. The
// metadata is the first part's.
class GgufModel final : public TensorSource {
 public:
  static Result<GgufModel> Open(const std::filesystem::path& path, const GgufLimits& limits = {});
  // One file in memory; see GgufFile::FromBytes.
  static Result<GgufModel> FromBytes(std::span<const std::byte> bytes, std::string_view name,
                                     const GgufLimits& limits = {});

  const GgufFile& metadata() const { return parts_.front(); }
  const std::vector<std::string>& names() const override { return names_; }
  bool Contains(std::string_view tensor) const override;
  Result<WeightView> Find(std::string_view tensor) const override;
  void ReleasePages() const override {
    for (const GgufFile& part : parts_) part.ReleasePages();
  }

 private:
  // Fills names_ from parts_.
  Status Index();

  std::vector<GgufFile> parts_;
  std::vector<std::string> names_;
};

// Typed access to metadata, in the manner of JsonReader: the first failure goes to `error`; after
// it every getter returns its fallback or the least value allowed. Getters without a fallback need
// the key. Messages: `model.gguf: llama.block_count is "six", must be an integer between 1 and
// 10000`.
class GgufReader {
 public:
  GgufReader(const GgufFile& file, Status& error) : file_(&file), error_(&error) {}

  bool ok() const { return error_->ok(); }
  bool Has(std::string_view key) const { return file_->FindKey(key) != nullptr; }
  const std::string& file() const { return file_->name(); }

  // Any integer type of the format, in [min, max].
  int64_t Int(std::string_view key, int64_t min, int64_t max) const;
  int64_t IntOr(std::string_view key, int64_t min, int64_t max, int64_t fallback) const;
  std::optional<int64_t> OptionalInt(std::string_view key, int64_t min, int64_t max) const;
  // As above, or an array of `count` equal ones: files may have one value per layer.
  int64_t IntOrUniform(std::string_view key, size_t count, int64_t min, int64_t max,
                       std::optional<int64_t> fallback) const;
  // f32 or f64, finite, in [min, max].
  double NumberOr(std::string_view key, double min, double max, double fallback) const;
  bool BoolOr(std::string_view key, bool fallback) const;
  std::string_view String(std::string_view key) const;
  std::string_view StringOr(std::string_view key, std::string_view fallback) const;
  // Arrays of at most `max_count`; empty if absent. Strings are views into the file.
  std::vector<std::string_view> Strings(std::string_view key, size_t max_count) const;
  std::vector<float> Floats(std::string_view key, size_t max_count) const;
  std::vector<int32_t> Ints(std::string_view key, size_t max_count) const;

  void Fail(Status status) const;
  // Records "<file>: <key> is <value>, <must>".
  void Reject(std::string_view key, std::string_view must,
              StatusCode code = StatusCode::kCorruptData) const;

 private:
  const GgufValue* Array(std::string_view key, size_t max_count, std::string_view of) const;

  const GgufFile* file_;
  Status* error_;
};

// What messages show of a value: 6, "six", an array of 3 i32.
std::string ShowGguf(const GgufValue& value);

// The bytes per block of a ggml type; nullopt for one that is not known.
std::optional<WeightBlock> GgmlBlockOf(uint32_t ggml_type);
// "IQ4_XS (23)"
std::string GgmlTypeName(uint32_t ggml_type);
uint32_t GgmlTypeOf(WeightType type);
// nullopt: Quarry does not compute with it.
std::optional<WeightType> WeightTypeOfGgml(uint32_t ggml_type);

}  // namespace quarry
