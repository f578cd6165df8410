#include "eval/json.h"

#include <cmath>

#include <fmt/format.h>

namespace quarry::eval {

Result<nlohmann::json> ParseJsonObject(std::string_view text) {
  using nlohmann::json;
  constexpr int kMaxDepth = 64;
  bool deep = false;
  const auto keep = [&](int depth, json::parse_event_t, json&) {
    if (depth < kMaxDepth) return true;
    deep = true;
    return false;
  };
  json value = json::parse(text, keep, /*allow_exceptions=*/false);
  if (deep) return CorruptData(fmt::format("is nested deeper than {}", kMaxDepth));
  if (!value.is_object()) return CorruptData("is no JSON object");
  return value;
}

nlohmann::json JsonNumber(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

}  // namespace quarry::eval
