#include "cli/progress.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <unistd.h>

#include "cli/io.h"

namespace quarry::cli {
namespace {
constexpr int kBarWidth = 24;
}

ProgressLine::ProgressLine() : enabled_(IsTerminal(STDERR_FILENO)) {}

void ProgressLine::Update(const std::string& what, int64_t done, int64_t total,
                          const std::string& unit, double seconds) {
  if (!enabled_ || total <= 0) return;
  const auto now = std::chrono::steady_clock::now();
  if (shown_ && done < total && now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  const double share = std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0);
  const int filled = static_cast<int>(share * kBarWidth);
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  const double left = rate > 0 ? static_cast<double>(total - done) / rate : -1;
  const std::string line =
      fmt::format("\r{} [{}{}] {} / {} {}  {} /s  ETA {}\x1b[K", what,
                  std::string(static_cast<size_t>(filled), '='),
                  std::string(static_cast<size_t>(kBarWidth - filled), ' '), WithCommas(done),
                  WithCommas(total), unit, WithCommas(static_cast<int64_t>(rate)), Clock(left));
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
  shown_ = true;
}

void ProgressLine::Clear() {
  if (!shown_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  shown_ = false;
}

}  // namespace quarry::cli
