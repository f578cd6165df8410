// Errors inside the interpreter. They travel as exceptions between the places that notice them and
// Template::Parse or Template::Render, which turn them into a Status.
#pragma once

#include <string>
#include <string_view>

#include "quarry/status.h"

namespace quarry::jinja {

enum class ErrorKind {
  kSyntax,        // the template text itself
  kRaised,        // the template called raise_exception
  kUndefined,     // an undefined value was used for more than printing and testing
  kType,          // Python's TypeError
  kValue,         // ValueError
  kLookup,        // KeyError and IndexError
  kZeroDivision,  // ZeroDivisionError
  kOverflow,      // OverflowError
  kSecurity,      // the sandbox forbids it
  kRuntime,       // Jinja's own complaints
  kLimit,         // more steps, depth or output than allowed
  kMemory,        // more memory than allowed
  kUnsupported,   // valid Jinja that Quarry does not do
};

struct Error {
  ErrorKind kind;
  std::string message;
};

// The name that stands before the message: "TypeError", "undefined", "raise_exception", ...
std::string_view ErrorKindName(ErrorKind kind);

// "line 12: undefined: 'x' is undefined", control characters written as escapes so that the
// message stays one line. Code: kUnsupported and kOutOfMemory for those kinds, else
// kInvalidArgument. A limit has no kind name in front.
Status ToStatus(const Error& error, int line);

// `text` with control characters as \n, \t, \x1b.
std::string OneLine(std::string_view text);

[[noreturn]] void Throw(ErrorKind kind, std::string message);
[[noreturn]] inline void ThrowType(std::string message) {
  Throw(ErrorKind::kType, std::move(message));
}
[[noreturn]] inline void ThrowValue(std::string message) {
  Throw(ErrorKind::kValue, std::move(message));
}

}  // namespace quarry::jinja
