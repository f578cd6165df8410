// The results so far, in a file that only grows: one line a sample, written as soon as it is known.
// What is in it is not computed again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "quarry/status.h"

#include "eval/record.h"

namespace quarry::eval {

class Journal {
 public:
  // Opens or makes `path`, and the folder around it. A last line without its end, left by a machine
  // that stopped, is dropped. Errors: another process has it open; a line that is no record.
  static Result<Journal> Open(const std::filesystem::path& path);

  Journal(Journal&& other) noexcept;
  Journal& operator=(Journal&&) = delete;
  ~Journal();

  // What the settings of that fingerprint are, once each; for people.
  Status Describe(const std::string& fingerprint, std::string_view settings_json);
  // Any thread.
  Status Append(const Record& record);

  // Null if it has not been computed.
  const Record* Find(const std::string& settings, int64_t length, uint64_t seed,
                     int64_t index) const;
  // All of one seed, by index.
  std::vector<const Record*> FindAll(const std::string& settings, int64_t length,
                                     uint64_t seed) const;
  // Of other settings than these.
  int64_t CountOthers(const std::set<std::string>& settings) const;

 private:
  using Key = std::tuple<std::string, int64_t, uint64_t, int64_t>;

  Journal(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  Status Read();
  Status Write(std::string_view line);

  int fd_ = -1;
  std::string name_;
  std::map<Key, Record> records_;
  std::set<std::string> described_;
  mutable std::mutex mutex_;
};

}  // namespace quarry::eval
