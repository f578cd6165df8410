#include "format/gguf_write.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "base/checked_math.h"
#include "base/quoted.h"

namespace quarry {
namespace {

constexpr uint64_t kAlignment = 32;
constexpr size_t kMaxTensorName = 63;  // bytes; llama.cpp keeps 64 with a terminator

uint64_t Aligned(uint64_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; }

template <typename T>
void AppendTo(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

void AppendStringTo(std::string& out, std::string_view value) {
  AppendTo(out, static_cast<uint64_t>(value.size()));
  out += value;
}

}  // namespace

template <typename T>
void GgufBuilder::Append(T value) {
  AppendTo(keys_, value);
}

void GgufBuilder::AppendString(std::string_view value) { AppendStringTo(keys_, value); }

void GgufBuilder::Key(std::string_view key, GgufType type) {
  key_names_.emplace_back(key);
  AppendString(key);
  Append(static_cast<uint32_t>(type));
}

bool GgufBuilder::Has(std::string_view key) const {
  return std::find(key_names_.begin(), key_names_.end(), key) != key_names_.end();
}

void GgufBuilder::SetString(std::string_view key, std::string_view value) {
  Key(key, GgufType::kString);
  AppendString(value);
}

void GgufBuilder::SetU32(std::string_view key, uint32_t value) {
  Key(key, GgufType::kU32);
  Append(value);
}

void GgufBuilder::SetF32(std::string_view key, float value) {
  Key(key, GgufType::kF32);
  Append(value);
}

void GgufBuilder::SetBool(std::string_view key, bool value) {
  Key(key, GgufType::kBool);
  Append(static_cast<uint8_t>(value ? 1 : 0));
}

void GgufBuilder::SetStrings(std::string_view key, std::span<const std::string> values) {
  Key(key, GgufType::kArray);
  Append(static_cast<uint32_t>(GgufType::kString));
  Append(static_cast<uint64_t>(values.size()));
  for (const std::string& value : values) AppendString(value);
}

void GgufBuilder::SetFloats(std::string_view key, std::span<const float> values) {
  Key(key, GgufType::kArray);
  Append(static_cast<uint32_t>(GgufType::kF32));
  Append(static_cast<uint64_t>(values.size()));
  for (float value : values) Append(value);
}

void GgufBuilder::SetInts(std::string_view key, std::span<const int32_t> values) {
  Key(key, GgufType::kArray);
  Append(static_cast<uint32_t>(GgufType::kI32));
  Append(static_cast<uint64_t>(values.size()));
  for (int32_t value : values) Append(value);
}

Status GgufBuilder::AddTensor(std::string_view name, WeightType type, std::vector<int64_t> shape) {
  const auto fail = [&](std::string reason) {
    return InvalidArgument(fmt::format("GGUF: tensor {} {}", Quoted(name), reason));
  };
  if (name.empty() || name.size() > kMaxTensorName) {
    return fail(
        fmt::format("has a name of {} bytes, must have 1 to {}", name.size(), kMaxTensorName));
  }
  for (const Tensor& t : tensors_) {
    if (t.name == name) return fail("is given twice");
  }
  if (shape.empty() || shape.size() > 4) {
    return fail(fmt::format("has {} dimensions, must have 1 to 4", shape.size()));
  }
  if (shape.back() % BlockOf(type).values != 0) {
    return fail(fmt::format("has rows of {} values, must be a multiple of {} for {}", shape.back(),
                            BlockOf(type).values, WeightTypeName(type)));
  }
  std::optional<uint64_t> bytes = static_cast<uint64_t>(RowBytes(type, shape.back()));
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] < 1) return fail("has an empty dimension");
    if (i + 1 < shape.size() && bytes) bytes = CheckedMul(*bytes, static_cast<uint64_t>(shape[i]));
  }
  if (!bytes) return fail("is too large");
  tensors_.push_back({std::string(name), type, std::move(shape), data_bytes_, *bytes});
  data_bytes_ += Aligned(*bytes);
  return OkStatus();
}

std::string GgufBuilder::Header() const {
  std::string out = "GGUF";
  AppendTo(out, uint32_t{3});
  AppendTo(out, static_cast<uint64_t>(tensors_.size()));
  AppendTo(out, static_cast<uint64_t>(key_names_.size()));
  out += keys_;
  for (const Tensor& t : tensors_) {
    AppendStringTo(out, t.name);
    AppendTo(out, static_cast<uint32_t>(t.shape.size()));
    for (size_t i = t.shape.size(); i-- > 0;) AppendTo(out, static_cast<uint64_t>(t.shape[i]));
    AppendTo(out, GgmlTypeOf(t.type));
    AppendTo(out, t.offset);
  }
  out.resize(static_cast<size_t>(Aligned(out.size())), '\0');
  return out;
}

Status WriteGguf(const std::filesystem::path& path, const GgufBuilder& builder,
                 FunctionRef<Status(size_t, GgufSink)> produce) {
  Result<AtomicFile> file = AtomicFile::Create(path);
  if (!file.ok()) return file.status();
  if (const Status s = file->Write(builder.Header()); !s.ok()) return s;
  const std::vector<GgufBuilder::Tensor>& tensors = builder.tensors();
  for (size_t i = 0; i < tensors.size(); ++i) {
    uint64_t written = 0;
    const auto sink = [&](std::span<const std::byte> bytes) -> Status {
      written += bytes.size();
      return file->Write(bytes);
    };
    if (const Status s = produce(i, sink); !s.ok()) return s;
    if (written != tensors[i].bytes) {
      return Internal(fmt::format("GGUF: {} bytes were written for tensor {}, it has {}", written,
                                  Quoted(tensors[i].name), tensors[i].bytes));
    }
    const std::string padding(static_cast<size_t>(Aligned(written) - written), '\0');
    if (const Status s = file->Write(padding); !s.ok()) return s;
  }
  return file->Commit();
}

}  // namespace quarry
