#include "text/jinja/error.h"

#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"

namespace quarry::jinja {

std::string_view ErrorKindName(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kSyntax:
      return "syntax error";
    case ErrorKind::kRaised:
      return "raise_exception";
    case ErrorKind::kUndefined:
      return "undefined";
    case ErrorKind::kType:
      return "TypeError";
    case ErrorKind::kValue:
      return "ValueError";
    case ErrorKind::kLookup:
      return "LookupError";
    case ErrorKind::kZeroDivision:
      return "ZeroDivisionError";
    case ErrorKind::kOverflow:
      return "OverflowError";
    case ErrorKind::kSecurity:
      return "not allowed in the sandbox";
    case ErrorKind::kRuntime:
      return "error";
    case ErrorKind::kLimit:
      return "";
    case ErrorKind::kMemory:
      return "";
    case ErrorKind::kUnsupported:
      return "unsupported";
  }
  return "error";
}

std::string OneLine(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    const auto b = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (b < 0x20 || b == 0x7F) {
      out += fmt::format("\\x{:02x}", b);
    } else {
      out.push_back(c);
    }
  }
  return out;
}

Status ToStatus(const Error& error, int line) {
  std::string text = line > 0 ? fmt::format("line {}: ", line) : std::string();
  const std::string_view name = ErrorKindName(error.kind);
  if (!name.empty()) text += fmt::format("{}: ", name);
  text += OneLine(ReplaceInvalidUtf8(error.message));
  if (error.kind == ErrorKind::kUnsupported) return Unsupported(std::move(text));
  if (error.kind == ErrorKind::kMemory) return OutOfMemory(std::move(text));
  return InvalidArgument(std::move(text));
}

void Throw(ErrorKind kind, std::string message) { throw Error{kind, std::move(message)}; }

}  // namespace quarry::jinja
