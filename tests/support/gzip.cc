#include "tests/support/gzip.h"

#include <zlib.h>

namespace quarry {

std::optional<std::string> ReadMaybeGzip(const std::filesystem::path& path) {
  // zlib reads a file without a gzip header as it is.
  std::filesystem::path name = path;
  if (!std::filesystem::exists(name)) name += ".gz";
  gzFile file = gzopen(name.c_str(), "rb");
  if (file == nullptr) return std::nullopt;
  std::string out;
  char buffer[1 << 16];
  int n = 0;
  while ((n = gzread(file, buffer, sizeof buffer)) > 0) out.append(buffer, static_cast<size_t>(n));
  gzclose(file);
  if (n < 0) return std::nullopt;
  return out;
}

}  // namespace quarry
