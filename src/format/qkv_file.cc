#include "format/qkv_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <new>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/quoted.h"

namespace quarry {
namespace {

constexpr std::string_view kFormat = "quarry-qkv";
constexpr std::string_view kVersion = "1";
constexpr int64_t kMaxTokens = int64_t{1} << 30;
constexpr int64_t kMaxHeads = 4096;
constexpr int64_t kMaxHeadDim = 256;

std::map<std::string, std::string> MetadataOf(const QkvInfo& i) {
  return {{"format", std::string(kFormat)},
          {"version", std::string(kVersion)},
          {"model", OneLine(i.model)},
          {"layer", fmt::to_string(i.layer)},
          {"first_position", "0"},
          {"tokens", fmt::to_string(i.tokens)},
          {"heads", fmt::to_string(i.heads)},
          {"kv_heads", fmt::to_string(i.kv_heads)},
          {"head_dim", fmt::to_string(i.head_dim)},
          {"window", fmt::to_string(i.window)},
          {"native_context", fmt::to_string(i.native_context)},
          {"rotated", "no"},
          // Enough digits to come back as the same double.
          {"rope_frequencies", fmt::format("{:.17g}", fmt::join(i.rope, " "))},
          {"rope_magnitude", fmt::format("{:.17g}", i.rope_magnitude)}};
}

std::array<TensorLayout, 3> LayoutOf(const QkvInfo& i) {
  return {{{"q", DType::kF32, {i.tokens, i.heads, i.head_dim}},
           {"k", DType::kF32, {i.tokens, i.kv_heads, i.head_dim}},
           {"v", DType::kF32, {i.tokens, i.kv_heads, i.head_dim}}}};
}

template <typename T>
bool ParseNumber(std::string_view text, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

// Takes values out of the metadata; remembers the first that is wrong.
class MetadataReader {
 public:
  explicit MetadataReader(const SafetensorsFile& file) : file_(file) {}

  std::string_view Text(const std::string& key) {
    const auto it = file_.metadata().find(key);
    if (it != file_.metadata().end()) return it->second;
    Fail(fmt::format("metadata has no {}", key));
    return {};
  }
  void Expect(const std::string& key, std::string_view value) {
    const std::string_view text = Text(key);
    if (text != value) Fail(fmt::format("{} is {}, must be {}", key, Quoted(text), value));
  }
  int64_t Integer(const std::string& key, int64_t low, int64_t high) {
    const std::string_view text = Text(key);
    int64_t value = 0;
    if (ParseNumber(text, value) && value >= low && value <= high) return value;
    Fail(fmt::format("{} is {}, must be between {} and {}", key, Quoted(text), low, high));
    return low;
  }
  double Real(const std::string& key, std::string_view text) {
    double value = 0;
    if (ParseNumber(text, value) && std::isfinite(value)) return value;
    Fail(fmt::format("{} has {}, must be a finite number", key, Quoted(text)));
    return 0;
  }
  void Fail(const std::string& what) {
    if (status_.ok()) status_ = CorruptData(fmt::format("{}: {}", file_.name(), what));
  }
  const Status& status() const { return status_; }

 private:
  const SafetensorsFile& file_;
  Status status_;
};

// Of a pair's angle in radians a token, and of what its length is multiplied with.
constexpr double kMostRope = 1e6;

void ReadRope(MetadataReader& in, QkvInfo& info) {
  const auto most = static_cast<size_t>(info.head_dim / 2);
  std::string_view rest = in.Text("rope_frequencies");
  while (!rest.empty() && info.rope.size() <= most && in.status().ok()) {
    const size_t end = std::min(rest.find(' '), rest.size());
    const double frequency = in.Real("rope_frequencies", rest.substr(0, end));
    if (!(frequency >= 0 && frequency <= kMostRope)) {
      in.Fail(
          fmt::format("rope_frequencies has {}, must be between 0 and {}", frequency, kMostRope));
    }
    info.rope.push_back(frequency);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (info.rope.empty() || info.rope.size() > most) {
    in.Fail(fmt::format("rope_frequencies has {} numbers, must have between 1 and {}",
                        info.rope.size(), most));
  }
  info.rope_magnitude = in.Real("rope_magnitude", in.Text("rope_magnitude"));
  if (!(info.rope_magnitude > 0 && info.rope_magnitude <= kMostRope)) {
    in.Fail(fmt::format("rope_magnitude is {}, must be above 0 and at most {}", info.rope_magnitude,
                        kMostRope));
  }
}

Status CheckTensors(const SafetensorsFile& file, const QkvInfo& info) {
  for (const TensorLayout& want : LayoutOf(info)) {
    const Result<TensorView> found = file.Find(want.name);
    if (!found.ok()) return found.status();
    if (found->dtype != DType::kF32) {
      return CorruptData(fmt::format("{}: tensor {} must be F32", file.name(), want.name));
    }
    if (!std::ranges::equal(found->shape, want.shape)) {
      return CorruptData(fmt::format("{}: tensor {} is [{}], must be [{}] as the metadata says",
                                     file.name(), want.name, fmt::join(found->shape, ", "),
                                     fmt::join(want.shape, ", ")));
    }
  }
  return OkStatus();
}

}  // namespace

Result<QkvWriter> QkvWriter::Create(const std::filesystem::path& path, const QkvInfo& info) {
  const Result<std::string> header = SerializeSafetensorsHeader(LayoutOf(info), MetadataOf(info));
  if (!header.ok()) return header.status().WithPrefix(path.string());
  Result<AtomicFile> file = AtomicFile::Create(path);
  if (!file.ok()) return file.status();
  if (const Status s = file->Write(*header); !s.ok()) return s;
  return QkvWriter(std::move(*file), info, header->size());
}

Status QkvWriter::WriteRows(int64_t n, const float* rows, int64_t stride, int64_t width,
                            uint64_t tensor) {
  packed_.resize(static_cast<size_t>(n * width));
  for (int64_t row = 0; row < n; ++row) {
    std::copy_n(rows + row * stride, width, packed_.data() + row * width);
  }
  return file_.WriteAt(tensor + static_cast<uint64_t>(written_ * width) * sizeof(float),
                       std::as_bytes(std::span(packed_)));
}

Status QkvWriter::Write(int64_t n, const float* q, const float* k, const float* v, int64_t stride) {
  const uint64_t q_bytes = static_cast<uint64_t>(info_.tokens * info_.q_width()) * sizeof(float);
  const uint64_t kv_bytes = static_cast<uint64_t>(info_.tokens * info_.kv_width()) * sizeof(float);
  for (const auto& [rows, width, offset] : {std::tuple(q, info_.q_width(), uint64_t{0}),
                                            {k, info_.kv_width(), q_bytes},
                                            {v, info_.kv_width(), q_bytes + kv_bytes}}) {
    if (const Status s = WriteRows(n, rows, stride, width, data_ + offset); !s.ok()) return s;
  }
  written_ += n;
  return OkStatus();
}

Result<QkvInfo> ReadQkvInfo(const SafetensorsFile& file) {
  MetadataReader in(file);
  in.Expect("format", kFormat);
  in.Expect("version", kVersion);
  in.Expect("rotated", "no");
  in.Expect("first_position", "0");
  QkvInfo info;
  info.model = std::string(in.Text("model"));
  info.layer = in.Integer("layer", 0, 1 << 20);
  info.tokens = in.Integer("tokens", 1, kMaxTokens);
  info.heads = in.Integer("heads", 1, kMaxHeads);
  info.kv_heads = in.Integer("kv_heads", 1, info.heads);
  info.head_dim = in.Integer("head_dim", 8, kMaxHeadDim);
  info.window = in.Integer("window", 0, kMaxTokens);
  info.native_context = in.Integer("native_context", 1, kMaxTokens);
  if (info.heads % info.kv_heads != 0) {
    in.Fail(fmt::format("kv_heads is {}, must divide the {} heads", info.kv_heads, info.heads));
  }
  if (info.head_dim % 8 != 0) {
    in.Fail(fmt::format("head_dim is {}, must be a multiple of 8", info.head_dim));
  }
  ReadRope(in, info);
  if (!in.status().ok()) return in.status();
  if (const Status s = CheckTensors(file, info); !s.ok()) return s;
  return info;
}

Result<QkvRows> ReadQkvRows(const SafetensorsFile& file, const QkvInfo& info, int64_t tokens) {
  try {
    QkvRows rows;
    for (const auto& [name, width, out] : {std::tuple("q", info.q_width(), &rows.q),
                                           {"k", info.kv_width(), &rows.k},
                                           {"v", info.kv_width(), &rows.v}}) {
      const Result<TensorView> tensor = file.Find(name);
      if (!tensor.ok()) return tensor.status();
      out->resize(static_cast<size_t>(tokens * width));
      std::memcpy(out->data(), tensor->data.data(), out->size() * sizeof(float));
      const auto bad = std::ranges::find_if_not(*out, [](float x) { return std::isfinite(x); });
      if (bad != out->end()) {
        return CorruptData(fmt::format("{}: tensor {}: value {} of token {} is {}, must be finite",
                                       file.name(), name, (bad - out->begin()) % width,
                                       (bad - out->begin()) / width, *bad));
      }
    }
    return rows;
  } catch (const std::bad_alloc&) {
    return OutOfMemory(fmt::format("{}: no memory for {} tokens", file.name(), tokens));
  }
}

}  // namespace quarry
