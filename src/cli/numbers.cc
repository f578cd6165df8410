#include "cli/numbers.h"

#include <charconv>
#include <cstdint>
#include <string>

#include <fmt/format.h>

namespace quarry::cli {
namespace {

template <typename Number>
bool Parses(const std::string& text, Number& value) {
  const size_t sign = text.starts_with('+') ? 1 : 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + sign, end, value);
  return error == std::errc() && rest == end;
}

// The name stays empty: help shows the option's type instead.
template <typename Number, typename Holds>
CLI::Validator Must(const char* what, Holds holds) {
  return CLI::Validator(
      [what, holds](std::string& text) {
        Number value{};
        if (Parses(text, value) && holds(value)) return std::string();
        return fmt::format("{} must be {}", text, what);
      },
      "");
}

}  // namespace

CLI::Validator WholeNumber() {
  return Must<int64_t>("an integer between -2^63 and 2^63 - 1", [](int64_t) { return true; });
}

CLI::Validator SeedNumber() {
  return Must<uint64_t>("an integer between 0 and 18446744073709551615",
                        [](uint64_t) { return true; });
}

CLI::Validator PositiveSeconds() {
  return Must<double>("above 0 seconds", [](double value) { return value > 0; });
}

}  // namespace quarry::cli
