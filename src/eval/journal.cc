#include "eval/journal.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "eval/json.h"

namespace quarry::eval {
namespace {

constexpr uint64_t kMaxBytes = uint64_t{1} << 32;

Status SystemError(const std::string& name) {
  return IoError(fmt::format("{}: {}", name, std::strerror(errno)));
}

}  // namespace

Result<Journal> Journal::Open(const std::filesystem::path& path) {
  std::error_code error;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
  if (error) {
    return IoError(fmt::format("{}: {}", path.parent_path().string(), error.message()));
  }
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd < 0) return SystemError(path.string());
  Journal journal(fd, path.string());
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    return errno == EWOULDBLOCK ? IoError(path.string() + ": another evaluation is writing to it")
                                : SystemError(path.string());
  }
  if (const Status s = journal.Read(); !s.ok()) return s;
  return journal;
}

Journal::Journal(Journal&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      name_(std::move(other.name_)),
      records_(std::move(other.records_)),
      described_(std::move(other.described_)) {}

Journal::~Journal() {
  if (fd_ >= 0) ::close(fd_);
}

Status Journal::Read() {
  const Result<std::string> text = ReadDescriptor(fd_, name_, kMaxBytes);
  if (!text.ok()) return text.status();
  size_t begin = 0;
  for (int64_t line = 1; begin < text->size(); ++line) {
    const size_t end = text->find('\n', begin);
    if (end == std::string::npos) break;
    const std::string_view json = std::string_view(*text).substr(begin, end - begin);
    begin = end + 1;
    if (json.starts_with("{\"described\"")) {
      const Result<nlohmann::json> object = ParseJsonObject(json);
      if (object.ok() && object->at("described").is_string()) {
        described_.insert(object->at("described").get<std::string>());
        continue;
      }
    }
    Result<Record> record = ParseRecord(json);
    if (!record.ok()) return record.status().WithPrefix(fmt::format("{}:{}", name_, line));
    Key key(record->settings, record->length, record->seed, record->index);
    records_.insert_or_assign(std::move(key), std::move(*record));
  }
  if (begin < text->size() && ::ftruncate(fd_, static_cast<off_t>(begin)) != 0) {
    return SystemError(name_);
  }
  return OkStatus();
}

Status Journal::Write(std::string_view line) {
  for (std::string_view rest = line; !rest.empty();) {
    const ssize_t n = ::write(fd_, rest.data(), rest.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return SystemError(name_);
    }
    rest.remove_prefix(static_cast<size_t>(n));
  }
  return OkStatus();
}

Status Journal::Describe(const std::string& fingerprint, std::string_view settings_json) {
  std::lock_guard lock(mutex_);
  if (!described_.insert(fingerprint).second) return OkStatus();
  return Write(fmt::format("{{\"described\": \"{}\", \"as\": {}}}\n", fingerprint, settings_json));
}

Status Journal::Append(const Record& record) {
  std::lock_guard lock(mutex_);
  if (const Status s = Write(ToJsonLine(record)); !s.ok()) return s;
  records_.insert_or_assign(Key(record.settings, record.length, record.seed, record.index), record);
  return OkStatus();
}

const Record* Journal::Find(const std::string& settings, int64_t length, uint64_t seed,
                            int64_t index) const {
  std::lock_guard lock(mutex_);
  const auto it = records_.find(Key(settings, length, seed, index));
  return it == records_.end() ? nullptr : &it->second;
}

std::vector<const Record*> Journal::FindAll(const std::string& settings, int64_t length,
                                            uint64_t seed) const {
  std::lock_guard lock(mutex_);
  std::vector<const Record*> found;
  for (auto it = records_.lower_bound(Key(settings, length, seed, 0)); it != records_.end(); ++it) {
    const auto& [s, l, sd, index] = it->first;
    if (s != settings || l != length || sd != seed) break;
    found.push_back(&it->second);
  }
  return found;
}

int64_t Journal::CountOthers(const std::set<std::string>& settings) const {
  std::lock_guard lock(mutex_);
  int64_t n = 0;
  for (const auto& [key, record] : records_) n += !settings.contains(record.settings);
  return n;
}

}  // namespace quarry::eval
