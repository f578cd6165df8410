#include "bench/table.h"

#include <cmath>
#include <cstdint>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/markdown.h"

namespace quarry::bench {
namespace {

// Written without a fraction.
bool IsCount(double x) { return std::floor(x) == x && std::abs(x) < 0x1p53; }

}  // namespace

Row& Row::Text(std::string name, std::string value) {
  fields_.push_back({std::move(name), std::move(value), true, true, std::nullopt});
  return *this;
}

Row& Row::Cell(std::string name, std::string value) {
  fields_.push_back({std::move(name), std::move(value), false, true, std::nullopt});
  return *this;
}

Row& Row::Number(std::string name, double value, int decimals) {
  if (!std::isfinite(value)) return NoNumber(std::move(name));
  fields_.push_back(
      {std::move(name), fmt::format("{:.{}f}", value, decimals), false, false, value});
  return *this;
}

Row& Row::NoNumber(std::string name) {
  fields_.push_back({std::move(name), "-", false, false, std::nullopt});
  return *this;
}

std::string Table::Markdown() const {
  if (rows_.empty()) return "";
  std::string header = "|", rule = "|";
  for (const auto& f : rows_[0].fields_) {
    header += fmt::format(" {} |", MarkdownCell(f.name));
    rule += f.is_text ? "---|" : "---:|";
  }
  std::string out = fmt::format("\n### {}\n\n{}\n{}\n", title_, header, rule);
  for (const Row& row : rows_) {
    out += "|";
    for (const auto& f : row.fields_) out += fmt::format(" {} |", MarkdownCell(f.text));
    out += "\n";
  }
  return out;
}

std::string Table::JsonLines() const {
  std::string out;
  for (const Row& row : rows_) {
    nlohmann::ordered_json object = {{"table", title_}};
    for (const auto& f : row.fields_) {
      if (f.quoted) {
        object[f.name] = f.text;
      } else if (!f.number) {
        object[f.name] = nullptr;
      } else if (IsCount(*f.number)) {
        object[f.name] = static_cast<int64_t>(*f.number);
      } else {
        object[f.name] = *f.number;
      }
    }
    out += object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  }
  return out;
}

}  // namespace quarry::bench
