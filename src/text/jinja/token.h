// Tokens of a template.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "text/jinja/bigint.h"

namespace quarry::jinja {

enum class TokenKind : uint8_t {
  kData,           // text outside of tags
  kVariableBegin,  // {{
  kVariableEnd,
  kBlockBegin,  // {%
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kAdd,
  kSub,
  kMul,
  kDiv,
  kFloorDiv,
  kMod,
  kPow,
  kTilde,
  kLeftBracket,
  kRightBracket,
  kLeftParen,
  kRightParen,
  kLeftBrace,
  kRightBrace,
  kEqual,
  kNotEqual,
  kGreater,
  kGreaterEqual,
  kLess,
  kLessEqual,
  kAssign,
  kDot,
  kColon,
  kPipe,
  kComma,
  kSemicolon,
  kEnd,  // of the template
};

struct Token {
  TokenKind kind;
  int line;
  std::string text;  // of data, names and strings, escapes resolved
  BigInt integer;
  double number = 0;
};

// For messages: the name itself, the operator, or "end of print statement" and its like.
std::string Describe(const Token& token);
std::string Describe(TokenKind kind);

}  // namespace quarry::jinja
