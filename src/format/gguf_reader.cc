// Typed access to GGUF metadata.

#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "base/quoted.h"
#include "format/gguf.h"

namespace quarry {
namespace {

template <typename T>
T Load(const std::byte* p) {
  T x;
  std::memcpy(&x, p, sizeof x);
  return x;
}

// An integer of any type of the format; nullopt for other types and for what no i64 holds.
std::optional<int64_t> IntAt(GgufType type, const std::byte* p) {
  switch (type) {
    case GgufType::kU8:
      return Load<uint8_t>(p);
    case GgufType::kI8:
      return Load<int8_t>(p);
    case GgufType::kU16:
      return Load<uint16_t>(p);
    case GgufType::kI16:
      return Load<int16_t>(p);
    case GgufType::kU32:
      return Load<uint32_t>(p);
    case GgufType::kI32:
      return Load<int32_t>(p);
    case GgufType::kI64:
      return Load<int64_t>(p);
    case GgufType::kU64: {
      const auto x = Load<uint64_t>(p);
      if (x > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
      return static_cast<int64_t>(x);
    }
    default:
      return std::nullopt;
  }
}

std::optional<double> NumberOf(const GgufValue& v) {
  if (v.is_array) return std::nullopt;
  if (v.type == GgufType::kF32) return Load<float>(v.bytes.data());
  if (v.type == GgufType::kF64) return Load<double>(v.bytes.data());
  const auto i = IntAt(v.type, v.bytes.data());
  if (!i) return std::nullopt;
  return static_cast<double>(*i);
}

std::string_view StringAt(const std::byte* p) {
  return {reinterpret_cast<const char*>(p) + 8, static_cast<size_t>(Load<uint64_t>(p))};
}

}  // namespace

std::string ShowGguf(const GgufValue& v) {
  if (v.is_array) return fmt::format("an array of {} {}", v.count, GgufTypeName(v.type));
  if (v.type == GgufType::kString) return Quoted(StringAt(v.bytes.data()));
  if (v.type == GgufType::kBool) return Load<uint8_t>(v.bytes.data()) != 0 ? "true" : "false";
  if (const auto i = IntAt(v.type, v.bytes.data())) return fmt::to_string(*i);
  if (const auto x = NumberOf(v)) return fmt::format("{:g}", *x);
  return "a number above 2^63 - 1";
}

void GgufReader::Fail(Status status) const {
  if (error_->ok()) *error_ = std::move(status);
}

void GgufReader::Reject(std::string_view key, std::string_view must, StatusCode code) const {
  const GgufValue* v = file_->FindKey(key);
  Fail(Status(code, v == nullptr
                        ? fmt::format("{}: {} is missing, {}", file(), key, must)
                        : fmt::format("{}: {} is {}, {}", file(), key, ShowGguf(*v), must)));
}

std::optional<int64_t> GgufReader::OptionalInt(std::string_view key, int64_t min,
                                               int64_t max) const {
  const GgufValue* v = file_->FindKey(key);
  if (v == nullptr || !ok()) return std::nullopt;
  const auto i = v->is_array ? std::nullopt : IntAt(v->type, v->bytes.data());
  if (i && *i >= min && *i <= max) return i;
  Reject(key, fmt::format("must be an integer between {} and {}", min, max));
  return std::nullopt;
}

int64_t GgufReader::Int(std::string_view key, int64_t min, int64_t max) const {
  if (ok() && !Has(key)) {
    Reject(key, fmt::format("must be an integer between {} and {}", min, max));
  }
  return OptionalInt(key, min, max).value_or(min);
}

int64_t GgufReader::IntOr(std::string_view key, int64_t min, int64_t max, int64_t fallback) const {
  return OptionalInt(key, min, max).value_or(fallback);
}

int64_t GgufReader::IntOrUniform(std::string_view key, size_t count, int64_t min, int64_t max,
                                 std::optional<int64_t> fallback) const {
  const GgufValue* v = file_->FindKey(key);
  if (v == nullptr && fallback) return *fallback;
  if (v == nullptr || !v->is_array) return Int(key, min, max);
  const std::vector<int32_t> values = Ints(key, count);
  if (!ok()) return min;
  bool uniform = values.size() == count;
  for (int32_t x : values) uniform = uniform && x == values[0] && x >= min && x <= max;
  if (uniform) return values[0];
  Reject(key, fmt::format("must be {} equal integers between {} and {}", count, min, max),
         StatusCode::kUnsupported);
  return min;
}

double GgufReader::NumberOr(std::string_view key, double min, double max, double fallback) const {
  const GgufValue* v = file_->FindKey(key);
  if (v == nullptr || !ok()) return fallback;
  const auto x = NumberOf(*v);
  if (x && *x >= min && *x <= max) return *x;
  Reject(key, fmt::format("must be a number between {:g} and {:g}", min, max));
  return fallback;
}

bool GgufReader::BoolOr(std::string_view key, bool fallback) const {
  const GgufValue* v = file_->FindKey(key);
  if (v == nullptr || !ok()) return fallback;
  if (!v->is_array && v->type == GgufType::kBool) return Load<uint8_t>(v->bytes.data()) != 0;
  Reject(key, "must be true or false");
  return fallback;
}

std::string_view GgufReader::StringOr(std::string_view key, std::string_view fallback) const {
  const GgufValue* v = file_->FindKey(key);
  if (v == nullptr || !ok()) return fallback;
  if (!v->is_array && v->type == GgufType::kString) return StringAt(v->bytes.data());
  Reject(key, "must be a string");
  return fallback;
}

std::string_view GgufReader::String(std::string_view key) const {
  if (ok() && !Has(key)) Reject(key, "must be a string");
  return StringOr(key, {});
}

const GgufValue* GgufReader::Array(std::string_view key, size_t max_count,
                                   std::string_view of) const {
  const GgufValue* v = file_->FindKey(key);
  if (v == nullptr || !ok()) return nullptr;
  const bool fits = of == "strings" ? v->type == GgufType::kString
                    : of == "f32"   ? v->type == GgufType::kF32
                                    : v->type == GgufType::kI32 || v->type == GgufType::kU32 ||
                                        v->type == GgufType::kI8 || v->type == GgufType::kU8 ||
                                        v->type == GgufType::kI16 || v->type == GgufType::kU16;
  if (v->is_array && fits && v->count <= max_count) return v;
  Reject(key, fmt::format("must be an array of at most {} {}", max_count, of));
  return nullptr;
}

std::vector<std::string_view> GgufReader::Strings(std::string_view key, size_t max_count) const {
  const GgufValue* v = Array(key, max_count, "strings");
  std::vector<std::string_view> out;
  if (v == nullptr) return out;
  out.reserve(static_cast<size_t>(v->count));
  const std::byte* p = v->bytes.data();
  for (uint64_t i = 0; i < v->count; ++i) {
    out.push_back(StringAt(p));
    p += 8 + out.back().size();
  }
  return out;
}

std::vector<float> GgufReader::Floats(std::string_view key, size_t max_count) const {
  const GgufValue* v = Array(key, max_count, "f32");
  std::vector<float> out;
  if (v == nullptr) return out;
  out.resize(static_cast<size_t>(v->count));
  if (!out.empty()) std::memcpy(out.data(), v->bytes.data(), v->bytes.size());
  return out;
}

std::vector<int32_t> GgufReader::Ints(std::string_view key, size_t max_count) const {
  const GgufValue* v = Array(key, max_count, "integers");
  std::vector<int32_t> out;
  if (v == nullptr || v->count == 0) return out;
  out.reserve(static_cast<size_t>(v->count));
  const size_t size = v->bytes.size() / static_cast<size_t>(v->count);
  for (size_t i = 0; i < v->count; ++i) {
    const int64_t x = *IntAt(v->type, v->bytes.data() + i * size);
    if (x > INT32_MAX) {
      Fail(CorruptData(fmt::format("{}: {} has {}, must be below 2^31", file(), key, x)));
      return {};
    }
    out.push_back(static_cast<int32_t>(x));
  }
  return out;
}

}  // namespace quarry
