#include "format/gguf.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/checked_math.h"
#include "base/quoted.h"

namespace quarry {
namespace {

constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMaxAlignment = uint64_t{1} << 20;
constexpr uint32_t kMaxDims = 4;

// Bytes of a value of a type with a fixed size; 0 for strings, arrays and unknown types.
size_t FixedSize(GgufType type) {
  switch (type) {
    case GgufType::kU8:
    case GgufType::kI8:
    case GgufType::kBool:
      return 1;
    case GgufType::kU16:
    case GgufType::kI16:
      return 2;
    case GgufType::kU32:
    case GgufType::kI32:
    case GgufType::kF32:
      return 4;
    case GgufType::kU64:
    case GgufType::kI64:
    case GgufType::kF64:
      return 8;
    default:
      return 0;
  }
}

}  // namespace

// Reads front to back. A failure sticks; after it everything read is zero or empty.
class GgufParser {
 public:
  GgufParser(std::span<const std::byte> bytes, std::string_view name, const GgufLimits& limits)
      : bytes_(bytes), limits_(limits) {
    file_.name_ = name;
  }

  Result<GgufFile> Run() {
    ReadHeader();
    for (uint64_t i = 0; i < n_keys_ && status_.ok(); ++i) ReadKey(i);
    if (status_.ok()) SortKeys();
    if (status_.ok()) ReadAlignment();
    for (uint64_t i = 0; i < n_tensors_ && status_.ok(); ++i) ReadTensor(i);
    if (status_.ok()) CheckLayout();
    if (!status_.ok()) return status_;
    return std::move(file_);
  }

 private:
  uint64_t left() const { return bytes_.size() - at_; }

  void Fail(std::string reason, StatusCode code = StatusCode::kCorruptData) {
    if (status_.ok()) status_ = Status(code, fmt::format("{}: {}", file_.name_, reason));
  }

  // The next n bytes; fewer, and a failure, if the file ends before.
  std::span<const std::byte> Take(uint64_t n, std::string_view what) {
    if (!status_.ok()) return {};
    if (n > left()) {
      Fail(fmt::format("{} takes {} bytes at {}, only {} follow: the file is cut off", what, n, at_,
                       left()));
      return {};
    }
    const auto out = bytes_.subspan(at_, static_cast<size_t>(n));
    at_ += static_cast<size_t>(n);
    return out;
  }

  template <typename T>
  T Number(std::string_view what) {
    T value{};
    const auto from = Take(sizeof(T), what);
    if (from.size() == sizeof(T)) std::memcpy(&value, from.data(), sizeof(T));
    return value;
  }

  std::string_view Name(std::string_view what, uint64_t limit) {
    const auto length = Number<uint64_t>(what);
    if (length > limit) {
      Fail(fmt::format("{} has {} bytes, at most {} are read", what, length, limit));
      return {};
    }
    const auto from = Take(length, what);
    return {reinterpret_cast<const char*>(from.data()), from.size()};
  }

  void ReadHeader() {
    const auto magic = Take(4, "the magic number");
    if (status_.ok() && std::memcmp(magic.data(), "GGUF", 4) != 0) {
      Fail("does not begin with GGUF: not a GGUF file");
    }
    const auto version = Number<uint32_t>("the version");
    if (status_.ok() && (version & 0xffff) == 0) {
      Fail("is a big-endian file, only little-endian ones are read", StatusCode::kUnsupported);
    }
    if (status_.ok() && version != 2 && version != 3) {
      Fail(fmt::format("version is {}, must be 2 or 3", version), StatusCode::kUnsupported);
    }
    n_tensors_ = Number<uint64_t>("the tensor count");
    n_keys_ = Number<uint64_t>("the key count");
    // Least bytes that one takes: 8 + 0 for the name, 4 for the type, 1 for the value; and for a
    // tensor 8 + 1, 4, 8, 4 and 8.
    CheckCount("keys", n_keys_, limits_.keys, 13);
    CheckCount("tensors", n_tensors_, limits_.tensors, 33);
  }

  void CheckCount(std::string_view what, uint64_t n, uint64_t limit, uint64_t least_bytes) {
    if (!status_.ok()) return;
    if (n > limit) Fail(fmt::format("has {} {}, at most {} are read", n, what, limit));
    if (n > left() / least_bytes) {
      Fail(fmt::format("has {} {}, too many for the {} bytes that follow", n, what, left()));
    }
  }

  void ReadKey(uint64_t index) {
    const std::string_view name = Name(fmt::format("key {}", index), limits_.name_bytes);
    const std::string what = fmt::format("key {}", Quoted(name));
    GgufValue value;
    value.type = static_cast<GgufType>(Number<uint32_t>(what));
    if (status_.ok() && value.type == GgufType::kArray) {
      value.is_array = true;
      value.type = static_cast<GgufType>(Number<uint32_t>(what));
      value.count = Number<uint64_t>(what);
      if (value.count > limits_.array_elements) {
        Fail(fmt::format("{} has {} elements, at most {} are read", what, value.count,
                         limits_.array_elements));
      }
    }
    if (!status_.ok()) return;
    const size_t begin = at_;
    if (value.type == GgufType::kString) {
      for (uint64_t i = 0; i < value.count && status_.ok(); ++i) {
        Take(Number<uint64_t>(what), what);
      }
    } else if (const size_t size = FixedSize(value.type); size > 0) {
      Take(value.count * size, what);  // no overflow: the count is limited
    } else {
      Fail(fmt::format("{} has value type {}, which is {}", what, static_cast<uint32_t>(value.type),
                       value.type == GgufType::kArray ? "an array of arrays" : "none"),
           StatusCode::kUnsupported);
    }
    if (!status_.ok()) return;
    value.bytes = bytes_.subspan(begin, at_ - begin);
    file_.keys_.push_back({name, value});
  }

  void SortKeys() {
    auto& keys = file_.keys_;
    std::sort(keys.begin(), keys.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    const auto twice = std::adjacent_find(
        keys.begin(), keys.end(), [](const auto& a, const auto& b) { return a.name == b.name; });
    if (twice != keys.end()) Fail(fmt::format("key {} appears twice", Quoted(twice->name)));
  }

  void ReadAlignment() {
    const GgufReader in(file_, status_);
    alignment_ = static_cast<uint64_t>(
        in.IntOr("general.alignment", 1, static_cast<int64_t>(kMaxAlignment), kDefaultAlignment));
    if (status_.ok() && (alignment_ & (alignment_ - 1)) != 0) {
      in.Reject("general.alignment", "must be a power of two");
    }
  }

  void ReadTensor(uint64_t index) {
    GgufTensorInfo t;
    t.name = Name(fmt::format("tensor {}", index), limits_.name_bytes);
    const std::string what = fmt::format("tensor {}", Quoted(t.name));
    const auto n_dims = Number<uint32_t>(what);
    if (status_.ok() && (n_dims < 1 || n_dims > kMaxDims)) {
      Fail(fmt::format("{} has {} dimensions, must have 1 to {}", what, n_dims, kMaxDims));
    }
    if (!status_.ok()) return;
    for (uint32_t i = 0; i < n_dims; ++i) {
      const auto dim = Number<uint64_t>(what);
      if (dim < 1 || dim > static_cast<uint64_t>(INT64_MAX)) {
        Fail(fmt::format("{}: a dimension is {}, must be between 1 and 2^63 - 1", what, dim));
        return;
      }
      t.shape.insert(t.shape.begin(), static_cast<int64_t>(dim));
    }
    t.ggml_type = Number<uint32_t>(what);
    t.offset = Number<uint64_t>(what);
    if (status_.ok()) file_.tensors_.push_back(std::move(t));
  }

  // Bytes of a tensor; 0 for a type that is not known.
  uint64_t SizeOf(const GgufTensorInfo& t) {
    const auto block = GgmlBlockOf(t.ggml_type);
    if (!block) return 0;
    const std::string what = fmt::format("tensor {}", Quoted(t.name));
    if (t.shape.back() % block->values != 0) {
      Fail(fmt::format("{}: rows of {} values, must be a multiple of {} for {}", what,
                       t.shape.back(), block->values, GgmlTypeName(t.ggml_type)));
      return 0;
    }
    std::optional<uint64_t> bytes = static_cast<uint64_t>(block->bytes);
    for (size_t i = 0; i < t.shape.size(); ++i) {
      auto dim = static_cast<uint64_t>(t.shape[i]);
      if (i + 1 == t.shape.size()) dim /= static_cast<uint64_t>(block->values);
      if (bytes) bytes = CheckedMul(*bytes, dim);
    }
    if (!bytes || *bytes > file_.data_.size() || t.offset > file_.data_.size() - *bytes) {
      Fail(fmt::format("{}: {} of shape [{}] at offset {} does not lie in the {} bytes of data",
                       what, GgmlTypeName(t.ggml_type), fmt::join(t.shape, ", "), t.offset,
                       file_.data_.size()));
      return 0;
    }
    return *bytes;
  }

  // Offsets, sizes, names: every tensor aligned, inside the data, and none over another.
  void CheckLayout() {
    const uint64_t begin = (at_ + alignment_ - 1) / alignment_ * alignment_;
    file_.data_ = begin < bytes_.size() ? bytes_.subspan(static_cast<size_t>(begin))
                                        : std::span<const std::byte>();
    auto& tensors = file_.tensors_;
    std::sort(tensors.begin(), tensors.end(),
              [](const auto& a, const auto& b) { return a.offset < b.offset; });
    uint64_t end = 0;
    for (const GgufTensorInfo& t : tensors) {
      const uint64_t size = SizeOf(t);
      if (t.offset % alignment_ != 0) {
        Fail(fmt::format("tensor {}: offset {} is not a multiple of {}", Quoted(t.name), t.offset,
                         alignment_));
      }
      if (t.offset < end) {
        Fail(fmt::format("tensor {}: begins at offset {}, inside the one before, which ends at {}",
                         Quoted(t.name), t.offset, end));
      }
      if (!status_.ok()) return;
      end = t.offset + size;
    }
    std::sort(tensors.begin(), tensors.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    const auto twice =
        std::adjacent_find(tensors.begin(), tensors.end(),
                           [](const auto& a, const auto& b) { return a.name == b.name; });
    if (twice != tensors.end()) Fail(fmt::format("tensor {} appears twice", Quoted(twice->name)));
  }

  std::span<const std::byte> bytes_;
  const GgufLimits& limits_;
  size_t at_ = 0;
  uint64_t n_keys_ = 0, n_tensors_ = 0;
  uint64_t alignment_ = kDefaultAlignment;
  GgufFile file_;
  Status status_;
};

Result<GgufFile> GgufFile::Open(const std::filesystem::path& path, const GgufLimits& limits) {
  Result<MappedFile> mapped = MappedFile::Open(path);
  if (!mapped.ok()) return mapped.status();
  Result<GgufFile> file = FromBytes(mapped->bytes(), path.string(), limits);
  if (file.ok()) file->file_ = *std::move(mapped);
  return file;
}

Result<GgufFile> GgufFile::FromBytes(std::span<const std::byte> bytes, std::string_view name,
                                     const GgufLimits& limits) {
  try {
    return GgufParser(bytes, name, limits).Run();
  } catch (const std::bad_alloc&) {
    return OutOfMemory(fmt::format("{}: no memory for its keys and tensors", name));
  }
}

const GgufValue* GgufFile::FindKey(std::string_view key) const {
  const auto it =
      std::lower_bound(keys_.begin(), keys_.end(), key,
                       [](const Key& k, std::string_view name) { return k.name < name; });
  return it != keys_.end() && it->name == key ? &it->value : nullptr;
}

const GgufTensorInfo* GgufFile::FindInfo(std::string_view tensor) const {
  const auto it = std::lower_bound(
      tensors_.begin(), tensors_.end(), tensor,
      [](const GgufTensorInfo& t, std::string_view name) { return t.name < name; });
  return it != tensors_.end() && it->name == tensor ? &*it : nullptr;
}

Result<WeightView> GgufFile::Find(std::string_view tensor) const {
  const GgufTensorInfo* t = FindInfo(tensor);
  if (t == nullptr) return NotFound(fmt::format("{}: no tensor {}", name_, Quoted(tensor)));
  const std::optional<WeightType> type = WeightTypeOfGgml(t->ggml_type);
  if (!type) {
    std::string known;
    for (WeightType w : kWeightTypes) {
      known += fmt::format("{}{}", known.empty() ? "" : ", ", WeightTypeName(w));
    }
    return Unsupported(fmt::format("{}: tensor {} has type {}, must be one of {}", name_,
                                   Quoted(tensor), GgmlTypeName(t->ggml_type), known));
  }
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < t->shape.size(); ++i) rows *= t->shape[i];
  const auto bytes = static_cast<size_t>(rows * RowBytes(*type, t->shape.back()));
  return WeightView{*type, t->shape, data_.subspan(static_cast<size_t>(t->offset), bytes)};
}

}  // namespace quarry
