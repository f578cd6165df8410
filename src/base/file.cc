#include "base/file.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace quarry {
namespace {

// Closes on scope exit.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

Status SystemError(std::string_view what, int error) {
  const std::string message = fmt::format("{}: {}", what, std::strerror(error));
  if (error == ENOENT || error == ENOTDIR) return NotFound(message);
  if (error == ENOMEM) return OutOfMemory(message);
  return IoError(message);
}

}  // namespace

Result<MappedFile> MappedFile::Open(const std::filesystem::path& path) {
  // Without waiting for the other end of a pipe.
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) return SystemError(path.string(), errno);
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) return SystemError(path.string(), errno);
  if (!S_ISREG(info.st_mode)) return InvalidArgument(path.string() + ": not a regular file");

  MappedFile file;
  file.size_ = static_cast<size_t>(info.st_size);
  if (file.size_ == 0) return file;
  void* data = ::mmap(nullptr, file.size_, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED) return SystemError(path.string(), errno);
  file.data_ = static_cast<const std::byte*>(data);
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::ReleasePages() const {
  if (data_ != nullptr) ::madvise(const_cast<std::byte*>(data_), size_, MADV_DONTNEED);
}

Result<std::string> ReadDescriptor(int fd, std::string_view name, uint64_t limit_bytes) {
  std::string out;
  struct stat info;
  if (::fstat(fd, &info) == 0) {
    if (S_ISDIR(info.st_mode)) return InvalidArgument(fmt::format("{}: is a folder", name));
    if (S_ISREG(info.st_mode) && info.st_size > 0) {
      const auto size = static_cast<uint64_t>(info.st_size);
      if (size > limit_bytes) {
        return InvalidArgument(
            fmt::format("{}: {} bytes, at most {} are read", name, size, limit_bytes));
      }
      out.reserve(size);
    }
  }
  char buffer[1 << 16];
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0) {
      if (errno == EINTR) continue;
      return SystemError(name, errno);
    }
    if (n == 0) return out;
    if (out.size() + static_cast<size_t>(n) > limit_bytes) {
      return InvalidArgument(fmt::format("{}: more than {} bytes", name, limit_bytes));
    }
    out.append(buffer, static_cast<size_t>(n));
  }
}

Result<std::string> ReadFile(const std::filesystem::path& path, uint64_t limit_bytes) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return SystemError(path.string(), errno);
  return ReadDescriptor(fd.get(), path.string(), limit_bytes);
}

Result<AtomicFile> AtomicFile::Create(const std::filesystem::path& given) {
  // What a link names is replaced, not the link.
  std::error_code error;
  const std::filesystem::path resolved = std::filesystem::canonical(given, error);
  const std::filesystem::path path = error ? given : resolved;
  struct stat info;
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    if (S_ISDIR(info.st_mode)) return SystemError(given.string(), EISDIR);
    // Devices and pipes take bytes, they are not replaced.
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return SystemError(given.string(), errno);
    return AtomicFile(given.string(), "", fd);
  }
  std::string temporary = path.string() + ".tmp.XXXXXX";
  const int fd = ::mkstemp(temporary.data());
  if (fd < 0) return SystemError(path.string(), errno);
  AtomicFile file(path.string(), std::move(temporary), fd);
  // mkstemp makes the file private; give it the mode a plain open would have.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(fd, 0666 & ~mask) != 0) return SystemError(path.string(), errno);
  return file;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      fd_(std::exchange(other.fd_, -1)) {}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Status AtomicFile::Write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return SystemError(path_, errno);
    }
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return OkStatus();
}

Status AtomicFile::WriteAt(uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0) {
      if (errno == EINTR) continue;
      return SystemError(path_, errno);
    }
    offset += static_cast<uint64_t>(n);
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return OkStatus();
}

Status AtomicFile::Commit() {
  if (temporary_.empty()) {
    return ::close(std::exchange(fd_, -1)) == 0 ? OkStatus() : SystemError(path_, errno);
  }
  if (::fsync(fd_) != 0) return SystemError(path_, errno);
  // Closing may report a failed write too; the temporary file then goes.
  const int closed = ::close(std::exchange(fd_, -1));
  const int error = errno;
  if (closed == 0 && ::rename(temporary_.c_str(), path_.c_str()) == 0) return OkStatus();
  const int reason = closed == 0 ? errno : error;
  ::unlink(temporary_.c_str());
  return SystemError(path_, reason);
}

Status WriteFileAtomically(const std::filesystem::path& path, std::string_view contents) {
  Result<AtomicFile> file = AtomicFile::Create(path);
  if (!file.ok()) return file.status();
  if (const Status s = file->Write(contents); !s.ok()) return s;
  return file->Commit();
}

}  // namespace quarry
