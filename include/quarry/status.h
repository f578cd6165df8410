// Status and Result<T>: how Quarry reports errors. No exception crosses the public API.
//
// A message is one line that names the thing, the value and the limit, and the remedy where one is
// known: "quest: token_budget is 8, must be between page_size (16) and 1073741824".
#pragma once

#include <cassert>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace quarry {

enum class StatusCode {
  kOk = 0,
  kInvalidArgument,  // the caller's request cannot be right, whatever the files say
  kNotFound,         // a file, tensor or name that does not exist
  kCorruptData,      // bytes from outside that contradict themselves or their format
  kUnsupported,      // valid, but Quarry does not do it
  kOutOfMemory,      // memory that cannot be had
  kIoError,          // reading or writing failed: disk full, closed pipe
  kCancelled,        // stopped on request
  kInternal,         // a defect of Quarry
};

// "invalid argument", "not found", ...
std::string_view StatusCodeName(StatusCode code);

class [[nodiscard]] Status {
 public:
  Status() = default;  // ok
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }

  // The same error with "prefix: " before the message; ok stays ok.
  Status WithPrefix(std::string_view prefix) const;

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

inline Status OkStatus() { return Status(); }
Status InvalidArgument(std::string message);
Status NotFound(std::string message);
Status CorruptData(std::string message);
Status Unsupported(std::string message);
Status OutOfMemory(std::string message);
Status IoError(std::string message);
Status Cancelled(std::string message);
Status Internal(std::string message);

// A value or the error that kept it from being made.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit on purpose
  Result(Status status) : state_(std::in_place_index<1>, std::move(status)) {  // NOLINT
    assert(!std::get<1>(state_).ok());
  }

  bool ok() const { return state_.index() == 0; }
  // The error; ok() if there is a value.
  Status status() const { return ok() ? Status() : std::get<1>(state_); }

  // REQUIRES: ok().
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace quarry
