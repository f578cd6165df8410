#include "format/safetensors.h"

#include <algorithm>
#include <new>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/checked_math.h"
#include "base/quoted.h"
#include "format/safetensors_header.h"

namespace quarry {
namespace {

// Element types of the format and their sizes. Those below a byte are packed without gaps.
struct ElementType {
  std::string_view name;
  int bits;
  std::optional<DType> dtype;  // set if Quarry computes with it
};
constexpr ElementType kElementTypes[] = {
    {"BF16", 16, DType::kBF16},
    {"F16", 16, DType::kF16},
    {"F32", 32, DType::kF32},
    {"F64", 64, {}},
    {"I64", 64, {}},
    {"I32", 32, {}},
    {"I16", 16, {}},
    {"I8", 8, {}},
    {"U64", 64, {}},
    {"U32", 32, {}},
    {"U16", 16, {}},
    {"U8", 8, {}},
    {"BOOL", 8, {}},
    {"F8_E4M3", 8, {}},
    {"F8_E5M2", 8, {}},
    {"F8_E8M0", 8, {}},
    {"F6_E2M3", 6, {}},
    {"F6_E3M2", 6, {}},
    {"F4", 4, {}},
    {"C64", 64, {}},
};

const ElementType* FindElementType(std::string_view name) {
  const auto it = std::find_if(std::begin(kElementTypes), std::end(kElementTypes),
                               [&](const ElementType& t) { return t.name == name; });
  return it == std::end(kElementTypes) ? nullptr : it;
}

// "[256, 96]"
std::string ShowShape(std::span<const int64_t> shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    out += fmt::format("{}{}", i == 0 ? "" : ", ", shape[i]);
  }
  return out + "]";
}

// Bytes that the shape takes; nullopt if no 64-bit size holds them or they end inside a byte.
std::optional<uint64_t> SizeOf(std::span<const int64_t> shape, int bits) {
  // Zeros are left out of the product: callers may multiply the dimensions in any order.
  std::optional<uint64_t> n = static_cast<uint64_t>(bits);
  bool empty = false;
  for (int64_t dim : shape) {
    empty |= dim == 0;
    if (n && dim != 0) n = CheckedMul(*n, static_cast<uint64_t>(dim));
  }
  if (!n || *n > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
  if (empty) return 0;
  if (*n % 8 != 0) return std::nullopt;
  return *n / 8;
}

// What one entry says by itself: dtype, shape and offsets agree and lie inside the data.
Status CheckTensor(const TensorInfo& t, uint64_t data_bytes, std::string_view file) {
  const auto fail = [&](std::string reason) {
    return CorruptData(fmt::format("{}: tensor {}: {}", file, Quoted(t.name), reason));
  };
  const ElementType* type = FindElementType(t.dtype);
  if (type == nullptr) {
    return Unsupported(
        fmt::format("{}: tensor {}: unknown dtype {}", file, Quoted(t.name), Quoted(t.dtype)));
  }
  if (t.begin > t.end || t.end > data_bytes) {
    return fail(
        fmt::format("data_offsets are [{}, {}], must be in order and within the {} bytes "
                    "of data",
                    t.begin, t.end, data_bytes));
  }
  const std::optional<uint64_t> size = SizeOf(t.shape, type->bits);
  if (!size) {
    return fail(
        fmt::format("shape {} of {} has no valid size in bytes", ShowShape(t.shape), type->name));
  }
  if (*size != t.end - t.begin) {
    return fail(fmt::format("shape {} of {} takes {} bytes, data_offsets span {}",
                            ShowShape(t.shape), type->name, *size, t.end - t.begin));
  }
  return OkStatus();
}

// What the entries say together: unique names, and every byte of the data belongs to one tensor.
// Leaves `tensors` sorted by name.
Status CheckLayout(std::vector<TensorInfo>& tensors, uint64_t data_bytes, std::string_view file) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t at = 0;
  for (const TensorInfo& t : tensors) {
    if (t.begin != at) {
      return CorruptData(
          fmt::format("{}: tensor {} starts at byte {} of the data, must start at "
                      "{}, where the one before ends",
                      file, Quoted(t.name), t.begin, at));
    }
    at = t.end;
  }
  if (at != data_bytes) {
    return CorruptData(
        fmt::format("{}: tensors cover {} bytes of data, the file has {}", file, at, data_bytes));
  }
  std::sort(tensors.begin(), tensors.end(),
            [](const TensorInfo& a, const TensorInfo& b) { return a.name < b.name; });
  const auto twice =
      std::adjacent_find(tensors.begin(), tensors.end(),
                         [](const TensorInfo& a, const TensorInfo& b) { return a.name == b.name; });
  if (twice != tensors.end()) {
    return CorruptData(fmt::format("{}: tensor {} appears twice", file, Quoted(twice->name)));
  }
  return OkStatus();
}

}  // namespace

int64_t TensorView::n_elements() const {
  return static_cast<int64_t>(data.size() / (dtype == DType::kF32 ? 4 : 2));
}

Result<SafetensorsFile> SafetensorsFile::Open(const std::filesystem::path& path,
                                              const SafetensorsLimits& limits) {
  Result<MappedFile> mapped = MappedFile::Open(path);
  if (!mapped.ok()) return mapped.status();
  Result<SafetensorsFile> file = FromBytes(mapped->bytes(), path.string(), limits);
  if (file.ok()) file->file_ = *std::move(mapped);
  return file;
}

Result<SafetensorsFile> SafetensorsFile::FromBytes(std::span<const std::byte> bytes,
                                                   std::string_view name,
                                                   const SafetensorsLimits& limits) {
  constexpr uint64_t kLengthBytes = 8;
  if (bytes.size() < kLengthBytes) {
    return CorruptData(fmt::format("{}: {} bytes, a safetensors file has at least {}", name,
                                   bytes.size(), kLengthBytes));
  }
  uint64_t header_bytes = 0;
  for (size_t i = kLengthBytes; i-- > 0;) {
    header_bytes = header_bytes << 8 | std::to_integer<uint64_t>(bytes[i]);
  }
  const uint64_t rest = bytes.size() - kLengthBytes;
  if (header_bytes > limits.header_bytes) {
    return CorruptData(fmt::format(
        "{}: header length is {} bytes, at most {} are read; is this a safetensors file?", name,
        header_bytes, limits.header_bytes));
  }
  if (header_bytes > rest) {
    return CorruptData(
        fmt::format("{}: header length is {} bytes, only {} follow: the file is cut "
                    "off",
                    name, header_bytes, rest));
  }
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes,
                                static_cast<size_t>(header_bytes));
  try {
    SafetensorsFile file;
    file.name_ = name;
    file.data_ = bytes.subspan(kLengthBytes + static_cast<size_t>(header_bytes));
    Result<SafetensorsHeader> parsed = ParseSafetensorsHeader(header, name, limits.tensors);
    if (!parsed.ok()) return parsed.status();
    file.tensors_ = std::move(parsed->tensors);
    file.metadata_ = std::move(parsed->metadata);
    for (const TensorInfo& t : file.tensors_) {
      if (Status s = CheckTensor(t, file.data_.size(), name); !s.ok()) return s;
    }
    if (Status s = CheckLayout(file.tensors_, file.data_.size(), name); !s.ok()) return s;
    return file;
  } catch (const std::bad_alloc&) {
    return OutOfMemory(fmt::format("{}: no memory for a header of {} bytes", name, header_bytes));
  }
}

const TensorInfo* SafetensorsFile::FindInfo(std::string_view tensor) const {
  const auto it =
      std::lower_bound(tensors_.begin(), tensors_.end(), tensor,
                       [](const TensorInfo& t, std::string_view name) { return t.name < name; });
  return it != tensors_.end() && it->name == tensor ? &*it : nullptr;
}

Result<TensorView> SafetensorsFile::Find(std::string_view tensor) const {
  const TensorInfo* t = FindInfo(tensor);
  if (t == nullptr) return NotFound(fmt::format("{}: no tensor {}", name_, Quoted(tensor)));
  const ElementType* type = FindElementType(t->dtype);
  if (!type->dtype.has_value()) {
    return Unsupported(fmt::format("{}: tensor {} has dtype {}, must be F32, F16 or BF16", name_,
                                   Quoted(tensor), t->dtype));
  }
  return TensorView{
      *type->dtype, t->shape,
      data_.subspan(static_cast<size_t>(t->begin), static_cast<size_t>(t->end - t->begin))};
}

}  // namespace quarry
