#include "cli/io.h"

#include <cerrno>
#include <cmath>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace quarry::cli {
namespace {
constexpr uint64_t kMaxInput = uint64_t{1} << 30;

Status ErrnoStatus(const std::string& name) {
  const std::string message = fmt::format("{}: {}", name, std::strerror(errno));
  if (errno == EISDIR) return InvalidArgument(name + ": is a folder, must be a file");
  return errno == ENOENT || errno == ENOTDIR ? NotFound(message) : IoError(message);
}
}  // namespace

Result<std::string> ReadInput(const std::string& path) {
  const bool standard_input = path == "-";
  const std::string name = standard_input ? "standard input" : path;
  const int fd = standard_input ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(name);
  std::string text;
  Status status;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) status = ErrnoStatus(name);
    if (n <= 0) break;
    text.append(buffer, static_cast<size_t>(n));
    if (text.size() > kMaxInput) {
      status = InvalidArgument(fmt::format("{}: more than {} bytes", name, kMaxInput));
      break;
    }
  }
  if (!standard_input) ::close(fd);
  if (!status.ok()) return status;
  return text;
}

void Output::Write(std::string_view text) {
  while (!text.empty() && status_.ok()) {
    const ssize_t n = ::write(STDOUT_FILENO, text.data(), text.size());
    if (n < 0) {
      if (errno != EINTR)
        status_ = IoError(fmt::format("standard output: {}", std::strerror(errno)));
      continue;
    }
    text.remove_prefix(static_cast<size_t>(n));
  }
}

bool IsTerminal(int fd) { return ::isatty(fd) == 1; }

std::string Printable(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else if (byte == 0xc2 && next >= 0x80 && next < 0xa0) {  // U+0080 to U+009F
      out += fmt::format("\\x{:02x}", next);
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string HumanBytes(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 || value >= 100 ? fmt::format("{:.0f} {}", value, kUnits[unit])
                                   : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string WithCommas(int64_t n) {
  std::string s = fmt::to_string(n);
  for (auto i = static_cast<int64_t>(s.size()) - 3; i > (n < 0 ? 1 : 0); i -= 3) {
    s.insert(static_cast<size_t>(i), ",");
  }
  return s;
}

std::string Clock(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  const auto s = static_cast<int64_t>(seconds + 0.5);
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

}  // namespace quarry::cli
