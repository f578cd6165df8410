// Reading and writing safetensors files, alone or as the shards of a checkpoint. docs/formats.md
// describes the bytes and every check.
//
// Nothing a file says is used before it has been compared with the bytes that exist, and what it
// costs to open one is bounded by SafetensorsLimits. Tensors are views into a mapped file: a file
// that another process shortens while it is mapped takes the process down (SIGBUS), so writers must
// replace files, as WriteSafetensors does, and not rewrite them in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/status.h"
#include "quarry/types.h"

#include "base/file.h"

namespace quarry {

struct SafetensorsLimits {
  uint64_t header_bytes = uint64_t{100} << 20;
  size_t tensors = size_t{1} << 20;  // of one file, or of one index
};

// One entry of a header. The element type is any that the format knows, of which Quarry computes
// with F32, F16 and BF16.
struct TensorInfo {
  std::string name;
  std::string dtype;           // as in the file: "BF16", "I64", ...
  std::vector<int64_t> shape;  // outermost first; empty for a scalar; a dimension may be 0
  uint64_t begin = 0;          // of its bytes, from the start of the data
  uint64_t end = 0;
};

// The elements of one tensor, row-major, little-endian. `data` starts at any address: the format
// promises no alignment, though common writers make the data section start at a multiple of 8. Read
// elements with memcpy or unaligned loads. Valid as long as the file or checkpoint it came from.
struct TensorView {
  DType dtype = DType::kF32;
  std::span<const int64_t> shape;
  std::span<const std::byte> data;  // as many bytes as the shape says, times the dtype's size

  int64_t n_elements() const;
};

// A checked file. Movable; reading is thread-safe.
class SafetensorsFile {
 public:
  static Result<SafetensorsFile> Open(const std::filesystem::path& path,
                                      const SafetensorsLimits& limits = {});
  // The same over bytes that outlive the result; `name` is for messages.
  static Result<SafetensorsFile> FromBytes(std::span<const std::byte> bytes, std::string_view name,
                                           const SafetensorsLimits& limits = {});

  // Sorted by name.
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  // The header's "__metadata__".
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::string& name() const { return name_; }

  bool Contains(std::string_view tensor) const { return FindInfo(tensor) != nullptr; }
  // Not found, or unsupported if Quarry does not compute with its dtype.
  Result<TensorView> Find(std::string_view tensor) const;
  void ReleasePages() const { file_.ReleasePages(); }  // see MappedFile

 private:
  const TensorInfo* FindInfo(std::string_view tensor) const;

  std::string name_;
  MappedFile file_;                  // empty for FromBytes
  std::span<const std::byte> data_;  // after the header
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
};

// The tensors of a model: one file, or the shards that model.safetensors.index.json names.
class Checkpoint {
 public:
  // `path` is a folder that holds model.safetensors (taken first) or model.safetensors.index.json,
  // or one such file under any name ending in .safetensors or .json. Shards must lie beside their
  // index. A tensor that the index does not list does not exist, even if a shard holds it.
  static Result<Checkpoint> Open(const std::filesystem::path& path,
                                 const SafetensorsLimits& limits = {});

  // Sorted.
  const std::vector<std::string>& names() const { return names_; }
  bool Contains(std::string_view tensor) const;
  Result<TensorView> Find(std::string_view tensor) const;
  size_t n_shards() const { return shards_.size(); }
  void ReleasePages() const {
    for (const SafetensorsFile& shard : shards_) shard.ReleasePages();
  }

 private:
  std::string name_;
  std::vector<SafetensorsFile> shards_;
  std::vector<std::string> names_;
  std::vector<uint32_t> shard_of_;  // parallel to names_
};

// The weight_map of an index: tensor name -> file name, a plain name without folders.
Result<std::map<std::string, std::string>> ParseSafetensorsIndex(
    std::string_view json, std::string_view name, const SafetensorsLimits& limits = {});

struct TensorLayout {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
};

// What stands before the data of a file with these tensors, in this order: length and header,
// padded with spaces so that the data starts at a multiple of 8. For files that are too large to
// build in memory; the tensors follow without gaps. Fails on repeated names and on shapes of more
// than 2^63 bytes.
Result<std::string> SerializeSafetensorsHeader(
    std::span<const TensorLayout> tensors, const std::map<std::string, std::string>& metadata = {});

struct TensorToWrite {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  std::span<const std::byte> data;
};

// The bytes of a file with these tensors, in this order: the header as above, and the data. Fails
// also on data that does not fit its shape.
Result<std::string> SerializeSafetensors(std::span<const TensorToWrite> tensors,
                                         const std::map<std::string, std::string>& metadata = {});

// Writes that under `path`, whole or not at all. Builds the file in memory first.
Status WriteSafetensors(const std::filesystem::path& path, std::span<const TensorToWrite> tensors,
                        const std::map<std::string, std::string>& metadata = {});

}  // namespace quarry
