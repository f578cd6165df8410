// Files: read-only mappings, whole-file reads with a limit, and writes that never leave half a
// file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

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

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// The whole file as a string. Fails if it is larger than `limit_bytes`. Reads pipes and devices
// too.
Result<std::string> ReadFile(const std::filesystem::path& path, uint64_t limit_bytes);

// The same from an open descriptor (0 is standard input); `name` is for messages.
Result<std::string> ReadDescriptor(int fd, std::string_view name, uint64_t limit_bytes);

// Writes to a temporary name in the same folder, syncs, then renames over `path`: readers see the
// old file or the whole new one. On error nothing is left behind.
Status WriteFileAtomically(const std::filesystem::path& path, std::string_view contents);

}  // namespace quarry
