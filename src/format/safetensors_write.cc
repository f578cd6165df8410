#include <new>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/checked_math.h"
#include "base/quoted.h"
#include "base/utf8.h"
#include "format/safetensors.h"

namespace quarry {
namespace {

std::string_view Name(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "F32";
    case DType::kF16:
      return "F16";
    case DType::kBF16:
      return "BF16";
    case DType::kI8:
      return "I8";
  }
  return "?";
}

Status CheckName(const std::string& name, std::set<std::string_view>& names) {
  if (name == "__metadata__" || !IsValidUtf8(name)) {
    return InvalidArgument(fmt::format("safetensors: {} cannot be a tensor's name", Quoted(name)));
  }
  if (!names.insert(name).second) {
    return InvalidArgument(fmt::format("safetensors: tensor {} is given twice", Quoted(name)));
  }
  return OkStatus();
}

// Nothing if the product overflows or a dimension is negative.
std::optional<uint64_t> SizeOfTensor(DType dtype, const std::vector<int64_t>& shape) {
  std::optional<uint64_t> size = dtype == DType::kF32 ? 4 : 2;
  for (int64_t dim : shape) {
    if (size) size = dim < 0 ? std::nullopt : CheckedMul(*size, static_cast<uint64_t>(dim));
  }
  return size;
}

Status CheckSize(const TensorToWrite& t) {
  const std::optional<uint64_t> size = SizeOfTensor(t.dtype, t.shape);
  if (size == t.data.size()) return OkStatus();
  return InvalidArgument(
      fmt::format("safetensors: tensor {} of {} has {} bytes, its shape takes {}", Quoted(t.name),
                  Name(t.dtype), t.data.size(), size ? fmt::to_string(*size) : "too many"));
}

}  // namespace

Result<std::string> SerializeSafetensorsHeader(std::span<const TensorLayout> tensors,
                                               const std::map<std::string, std::string>& metadata) {
  try {
    nlohmann::ordered_json header = nlohmann::ordered_json::object();
    if (!metadata.empty()) header["__metadata__"] = metadata;
    std::set<std::string_view> names;
    uint64_t at = 0;
    for (const TensorLayout& t : tensors) {
      if (Status s = CheckName(t.name, names); !s.ok()) return s;
      const std::optional<uint64_t> size = SizeOfTensor(t.dtype, t.shape);
      const std::optional<uint64_t> end = size ? CheckedAdd(at, *size) : std::nullopt;
      if (!end || *end >> 63 != 0) {
        return InvalidArgument(
            fmt::format("safetensors: tensor {} takes more than 2^63 bytes", Quoted(t.name)));
      }
      // Not through operator[], which searches an ordered object from its start.
      header.get_ref<nlohmann::ordered_json::object_t&>().push_back(
          {t.name, {{"dtype", Name(t.dtype)}, {"shape", t.shape}, {"data_offsets", {at, *end}}}});
      at = *end;
    }
    std::string text = header.dump();
    text.append((8 - text.size() % 8) % 8, ' ');

    std::string out;
    out.reserve(8 + text.size());
    for (int i = 0; i < 8; ++i) out += static_cast<char>(text.size() >> (8 * i) & 0xff);
    return out += text;
  } catch (const std::bad_alloc&) {
    return OutOfMemory(fmt::format("safetensors: no memory to list {} tensors", tensors.size()));
  } catch (const nlohmann::json::exception& e) {  // metadata that is no UTF-8
    return InvalidArgument(fmt::format("safetensors: {}", OneLine(e.what())));
  }
}

Result<std::string> SerializeSafetensors(std::span<const TensorToWrite> tensors,
                                         const std::map<std::string, std::string>& metadata) {
  try {
    std::vector<TensorLayout> layout;
    size_t bytes = 0;
    for (const TensorToWrite& t : tensors) {
      if (Status s = CheckSize(t); !s.ok()) return s;
      layout.push_back({t.name, t.dtype, t.shape});
      bytes += t.data.size();
    }
    Result<std::string> out = SerializeSafetensorsHeader(layout, metadata);
    if (!out.ok()) return out.status();
    out->reserve(out->size() + bytes);
    for (const TensorToWrite& t : tensors) {
      out->append(reinterpret_cast<const char*>(t.data.data()), t.data.size());
    }
    return out;
  } catch (const std::bad_alloc&) {
    return OutOfMemory(fmt::format("safetensors: no memory to build {} tensors", tensors.size()));
  }
}

Status WriteSafetensors(const std::filesystem::path& path, std::span<const TensorToWrite> tensors,
                        const std::map<std::string, std::string>& metadata) {
  const Result<std::string> bytes = SerializeSafetensors(tensors, metadata);
  if (!bytes.ok()) return bytes.status().WithPrefix(path.string());
  return WriteFileAtomically(path, *bytes);
}

}  // namespace quarry
