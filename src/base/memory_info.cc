#include "base/memory_info.h"

#include <algorithm>
#include <fstream>
#include <string>

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <sys/resource.h>
#include <unistd.h>

namespace quarry {
namespace {

constexpr uint64_t kUnknown = UINT64_MAX;

// The number after `key` in a file of "Key:   123 kB" lines, in bytes.
uint64_t KilobyteField(const char* path, const std::string& key) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(key)) {
      try {
        return std::stoull(line.substr(key.size())) * 1024;
      } catch (const std::exception&) {
        return kUnknown;
      }
    }
  }
  return kUnknown;
}

uint64_t NumberInFile(const std::string& path) {
  std::ifstream in(path);
  uint64_t value;
  return in >> value ? value : kUnknown;  // "max" means no limit
}

uint64_t Headroom(uint64_t limit, uint64_t used) {
  if (limit == kUnknown || used == kUnknown) return kUnknown;
  return limit > used ? limit - used : 0;
}

uint64_t CgroupHeadroom() {
  const uint64_t v2 = Headroom(NumberInFile("/sys/fs/cgroup/memory.max"),
                               NumberInFile("/sys/fs/cgroup/memory.current"));
  const std::string v1 = "/sys/fs/cgroup/memory/memory.";
  return std::min(
      v2, Headroom(NumberInFile(v1 + "limit_in_bytes"), NumberInFile(v1 + "usage_in_bytes")));
}

uint64_t AddressSpaceHeadroom() {
  rlimit limit;
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kUnknown;
  return Headroom(limit.rlim_cur, KilobyteField("/proc/self/status", "VmSize:"));
}

}  // namespace

uint64_t PeakRssBytes() {
  rusage usage;
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

bool ResetPeakRss() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
  std::ofstream out("/proc/self/clear_refs");
  return static_cast<bool>(out << "5" << std::flush);
}

uint64_t CurrentRssBytes() {
  const uint64_t rss = KilobyteField("/proc/self/status", "VmRSS:");
  return rss == kUnknown ? 0 : rss;
}

uint64_t AvailableMemoryBytes() {
  return std::min(
      {KilobyteField("/proc/meminfo", "MemAvailable:"), CgroupHeadroom(), AddressSpaceHeadroom()});
}

}  // namespace quarry
