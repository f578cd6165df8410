#include "cli/lists.h"

#include <charconv>
#include <cmath>

#include <fmt/format.h>

namespace quarry::cli {

std::vector<std::string> SplitCommas(const std::vector<std::string>& texts) {
  std::vector<std::string> parts;
  for (const std::string& text : texts) {
    for (size_t begin = 0; begin <= text.size();) {
      const size_t end = std::min(text.find(',', begin), text.size());
      if (end > begin) parts.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return parts;
}

Result<int64_t> ParseSize(std::string_view name, std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  const int shift = unit.empty() ? 0 : unit == "K" || unit == "k" ? 10 : unit == "M" ? 20 : -1;
  if (error != std::errc() || shift < 0 || value < 0 || value > int64_t{1} << 40) {
    return InvalidArgument(
        fmt::format("{} is {}, must be a number such as 1000, 4K or 1M", name, text));
  }
  return value << shift;
}

Result<std::vector<int64_t>> ParseSizes(std::string_view name,
                                        const std::vector<std::string>& texts) {
  std::vector<int64_t> sizes;
  for (const std::string& text : SplitCommas(texts)) {
    const size_t first = text.find(':');
    if (first == std::string::npos) {
      const Result<int64_t> size = ParseSize(name, text);
      if (!size.ok()) return size.status();
      sizes.push_back(*size);
      continue;
    }
    const size_t second = text.find(':', first + 1);
    if (second == std::string::npos) {
      return InvalidArgument(fmt::format("{} is {}, must be LOW:HIGH:COUNT", name, text));
    }
    const Result<int64_t> low = ParseSize(name, text.substr(0, first));
    const Result<int64_t> high = ParseSize(name, text.substr(first + 1, second - first - 1));
    const Result<int64_t> count = ParseSize(name, text.substr(second + 1));
    for (const auto* part : {&low, &high, &count}) {
      if (!part->ok()) return part->status();
    }
    if (*count < 2 || *count > 10000 || *low >= *high) {
      return InvalidArgument(
          fmt::format("{} is {}, must be LOW:HIGH:COUNT with LOW below HIGH and COUNT from 2 to "
                      "10000",
                      name, text));
    }
    for (int64_t i = 0; i < *count; ++i) {
      const double share = static_cast<double>(i) / static_cast<double>(*count - 1);
      sizes.push_back(
          std::llrint(static_cast<double>(*low) + share * static_cast<double>(*high - *low)));
    }
  }
  return sizes;
}

}  // namespace quarry::cli
