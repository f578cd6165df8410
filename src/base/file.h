// Files: read-only mappings, whole-file reads with a limit, and writes that never leave half a
// file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "quarry/status.h"

namespace quarry {

// A whole file mapped read-only. Movable; unmapped on destruction. Pages come from the page cache,
// so the mapping costs address space, not memory, until it is read.
class MappedFile {
 public:
  static Result<MappedFile> Open(const std::filesystem::path& path);

  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  // What was read no longer counts as this process's memory; it is mapped again when touched.
  void ReleasePages() const;

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// The whole file as a string. Fails if it is larger than `limit_bytes`. Reads pipes and devices
// too.
Result<std::string> ReadFile(const std::filesystem::path& path, uint64_t limit_bytes);

// The same from an open descriptor (0 is standard input); `name` is for messages.
Result<std::string> ReadDescriptor(int fd, std::string_view name, uint64_t limit_bytes);

// A file that appears whole or not at all: written under a temporary name in the same folder,
// synced and renamed over `path` by Commit, removed if that is never reached. Where `path` is a
// link, what it names is replaced; a device or a pipe is written as it is. Movable.
class AtomicFile {
 public:
  static Result<AtomicFile> Create(const std::filesystem::path& path);

  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  Status Write(std::span<const std::byte> bytes);
  Status Write(std::string_view text) { return Write(std::as_bytes(std::span(text))); }
  // At `offset` from the start, wherever Write stands; bytes in between that nobody writes are 0.
  Status WriteAt(uint64_t offset, std::span<const std::byte> bytes);
  // REQUIRES: every Write succeeded; nothing is called after it.
  Status Commit();

 private:
  AtomicFile(std::string path, std::string temporary, int fd)
      : path_(std::move(path)), temporary_(std::move(temporary)), fd_(fd) {}

  std::string path_, temporary_;  // no temporary: a device
  int fd_;                        // -1: committed or moved from
};

// The contents in one go: readers see the old file or the whole new one. On error nothing is left
// behind.
Status WriteFileAtomically(const std::filesystem::path& path, std::string_view contents);

}  // namespace quarry
