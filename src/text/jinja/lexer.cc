#include "text/jinja/lexer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"
#include "text/jinja/error.h"
#include "text/jinja/float_text.h"
#include "text/jinja/limits.h"
#include "text/jinja/unicode.h"

namespace quarry::jinja {
namespace {

constexpr size_t kNone = std::string_view::npos;

// Line breaks of all kinds become \n, and one at the very end goes.
std::string NormalizeLines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

bool IsAsciiDigit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(NormalizeLines(source)) {}
  std::vector<Token> Run();

 private:
  struct Tag {
    size_t begin;  // of "{%"
    size_t inner;  // after it and its sign
    char kind;     // one of { % #, or r for raw
    char sign;     // - + or 0
  };

  [[noreturn]] void Fail(std::string message) const {
    throw SyntaxError{std::move(message), line_};
  }
  bool At(std::string_view text, size_t pos) const { return view().substr(pos).starts_with(text); }
  std::string_view view() const { return source_; }

  size_t SkipSpace(size_t pos) const;
  std::optional<Tag> FindTag(size_t from) const;
  std::optional<size_t> EndOfRawTag(size_t pos) const;
  void Data(size_t begin, size_t end, char sign, bool is_variable);
  void Comment();
  void Raw();
  void TagBody(char kind);
  size_t TagEnd(char kind) const;
  void AdvanceTo(size_t pos);
  void Push(TokenKind kind, std::string text = "");

  bool Number();
  bool Name();
  bool String();
  void Operator(std::string& open);
  std::string Unescape(std::string_view text) const;
  char32_t HexEscape(std::string_view text, size_t pos, size_t digits, char kind) const;

  std::string source_;
  size_t pos_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

size_t Lexer::SkipSpace(size_t pos) const {
  while (pos < source_.size()) {
    const Utf8Step step = CharAt(source_, pos);
    if (!IsSpace(step.code_point)) break;
    pos += static_cast<size_t>(step.length);
  }
  return pos;
}

void Lexer::AdvanceTo(size_t pos) {
  line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(pos_),
                                       source_.begin() + static_cast<std::ptrdiff_t>(pos), '\n'));
  if (pos > pos_) line_starting_ = source_[pos - 1] == '\n';
  pos_ = pos;
}

void Lexer::Push(TokenKind kind, std::string text) {
  tokens_.push_back({kind, line_, std::move(text), {}, 0});
}

// After "{%" and its sign: the end of "raw %}" or "raw -%}" with the space it strips.
std::optional<size_t> Lexer::EndOfRawTag(size_t pos) const {
  pos = SkipSpace(pos);
  if (!At("raw", pos)) return std::nullopt;
  pos = SkipSpace(pos + 3);
  if (At("-%}", pos)) return SkipSpace(pos + 3);
  if (At("%}", pos)) return pos + 2;
  return std::nullopt;
}

std::optional<Lexer::Tag> Lexer::FindTag(size_t from) const {
  for (size_t i = source_.find('{', from); i != kNone; i = source_.find('{', i + 1)) {
    if (i + 1 >= source_.size()) break;
    const char kind = source_[i + 1];
    if (kind != '{' && kind != '%' && kind != '#') continue;
    const char sign = i + 2 < source_.size() ? source_[i + 2] : 0;
    const bool has_sign = sign == '-' || sign == '+';
    const size_t inner = i + 2 + (has_sign ? 1 : 0);
    // The sign of raw is optional too, so "{%raw" and "{%-raw" both are tried.
    if (kind == '%' && EndOfRawTag(inner)) {
      return Tag{i, *EndOfRawTag(inner), 'r', has_sign ? sign : '\0'};
    }
    return Tag{i, inner, kind, has_sign ? sign : '\0'};
  }
  return std::nullopt;
}

// Text up to a tag, stripped as the tag's sign and lstrip_blocks say.
void Lexer::Data(size_t begin, size_t end, char sign, bool is_variable) {
  std::string_view text = view().substr(begin, end - begin);
  if (sign == '-') {
    size_t keep = text.size();
    while (keep > 0) {
      size_t start = keep - 1;
      while ((static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
      if (!IsSpace(CharAt(text, start).code_point)) break;
      keep = start;
    }
    text = text.substr(0, keep);
  } else if (sign != '+' && !is_variable) {
    const size_t newline = text.rfind('\n');
    const size_t line_begin = newline == kNone ? 0 : newline + 1;
    if (line_begin > 0 || line_starting_) {
      const size_t stop = std::min(SkipSpace(begin + line_begin), end);
      if (stop == end) text = text.substr(0, line_begin);
    }
  }
  if (!text.empty()) Push(TokenKind::kData, std::string(text));
}

std::vector<Token> Lexer::Run() {
  while (pos_ < source_.size()) {
    const auto tag = FindTag(pos_);
    if (!tag) {
      Push(TokenKind::kData, source_.substr(pos_));
      AdvanceTo(source_.size());
      break;
    }
    Data(pos_, tag->begin, tag->sign, tag->kind == '{');
    AdvanceTo(tag->begin);
    const char kind = tag->kind;
    if (kind == '{') Push(TokenKind::kVariableBegin);
    if (kind == '%') Push(TokenKind::kBlockBegin);
    AdvanceTo(tag->inner);
    if (kind == '#') {
      Comment();
    } else if (kind == 'r') {
      Raw();
    } else {
      TagBody(kind);
    }
  }
  Push(TokenKind::kEnd);
  return std::move(tokens_);
}

// An open tag that is the very end of the template goes without a complaint, as in Jinja.
void Lexer::Comment() {
  if (pos_ == source_.size()) return;
  for (size_t i = source_.find('#', pos_); i != kNone; i = source_.find('#', i + 1)) {
    if (!At("#}", i)) continue;
    const char sign = i > pos_ ? source_[i - 1] : '\0';
    size_t end = i + 2;
    if (sign == '-') {
      end = SkipSpace(end);
    } else if (sign != '+' && At("\n", end)) {
      ++end;
    }
    return AdvanceTo(end);
  }
  Fail("Missing end of comment tag");
}

void Lexer::Raw() {
  if (pos_ == source_.size()) return;
  for (size_t i = source_.find("{%", pos_); i != kNone; i = source_.find("{%", i + 1)) {
    size_t p = i + 2;
    const char sign =
        p < source_.size() && (source_[p] == '-' || source_[p] == '+') ? source_[p] : '\0';
    p = SkipSpace(sign != '\0' ? p + 1 : p);
    if (!At("endraw", p)) continue;
    p = SkipSpace(p + 6);
    size_t end;
    if (At("+%}", p)) {
      end = p + 3;
    } else if (At("-%}", p)) {
      end = SkipSpace(p + 3);
    } else if (At("%}", p)) {
      end = At("\n", p + 2) ? p + 3 : p + 2;
    } else {
      continue;
    }
    Data(pos_, i, sign, false);
    return AdvanceTo(end);
  }
  Fail("Missing end of raw directive");
}

// Where the tag ends if its end stands here, 0 otherwise.
size_t Lexer::TagEnd(char kind) const {
  const std::string_view close = kind == '{' ? "}}" : "%}";
  if (At("-", pos_) && At(close, pos_ + 1)) return SkipSpace(pos_ + 3);
  if (kind == '%' && At("+%}", pos_)) return pos_ + 3;
  if (!At(close, pos_)) return 0;
  const size_t end = pos_ + 2;
  return kind == '%' && At("\n", end) ? end + 1 : end;
}

void Lexer::TagBody(char kind) {
  std::string open;  // brackets that still want their other half
  while (pos_ < source_.size()) {
    if (open.empty()) {
      if (const size_t end = TagEnd(kind)) {
        Push(kind == '{' ? TokenKind::kVariableEnd : TokenKind::kBlockEnd);
        return AdvanceTo(end);
      }
    }
    const size_t after_space = SkipSpace(pos_);
    if (after_space != pos_) {
      AdvanceTo(after_space);
    } else if (!Number() && !Name() && !String()) {
      Operator(open);
    }
  }
}

// A run of digits of `base` in which single underscores may stand; its end.
size_t EndOfDigits(std::string_view text, size_t pos, bool (*digit)(char), bool underscore_first) {
  size_t end = pos;
  while (end < text.size()) {
    if (digit(text[end])) {
      ++end;
    } else if (text[end] == '_' && (end > pos || underscore_first) && end + 1 < text.size() &&
               digit(text[end + 1])) {
      end += 2;
    } else {
      break;
    }
  }
  return end;
}

bool IsHexDigit(char c) {
  return IsAsciiDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool IsOctalDigit(char c) { return c >= '0' && c <= '7'; }
bool IsBinaryDigit(char c) { return c == '0' || c == '1'; }
bool IsZero(char c) { return c == '0'; }

bool Lexer::Number() {
  const std::string_view text = source_;
  if (!IsAsciiDigit(text[pos_])) return false;
  const auto without_underscores = [&](size_t begin, size_t end) {
    std::string digits(text.substr(begin, end - begin));
    std::erase(digits, '_');
    return digits;
  };
  // After a dot stands an index, not a fraction: a.0.1.
  const bool after_dot = pos_ > 0 && text[pos_ - 1] == '.';
  if (!after_dot) {
    const size_t whole = EndOfDigits(text, pos_, IsAsciiDigit, false);
    size_t end = whole;
    bool is_float = false;
    if (end + 1 < text.size() && text[end] == '.' && IsAsciiDigit(text[end + 1])) {
      end = EndOfDigits(text, end + 1, IsAsciiDigit, false);
      is_float = true;
    }
    if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
      size_t digits = end + 1;
      if (digits < text.size() && (text[digits] == '+' || text[digits] == '-')) ++digits;
      if (digits < text.size() && IsAsciiDigit(text[digits])) {
        end = EndOfDigits(text, digits, IsAsciiDigit, false);
        is_float = true;
      }
    }
    if (is_float) {
      std::string digits = without_underscores(pos_, end);
      std::erase(digits, '+');
      Push(TokenKind::kFloat);
      tokens_.back().number = ParseDecimal(digits);
      AdvanceTo(end);
      return true;
    }
  }
  const char second = pos_ + 1 < text.size() ? static_cast<char>(text[pos_ + 1] | 0x20) : '\0';
  const int base = text[pos_] != '0' ? 10
                   : second == 'x'   ? 16
                   : second == 'o'   ? 8
                   : second == 'b'   ? 2
                                     : 10;
  size_t end = pos_;
  BigInt value;
  if (base != 10) {
    const auto digit = base == 16 ? IsHexDigit : base == 8 ? IsOctalDigit : IsBinaryDigit;
    end = EndOfDigits(text, pos_ + 2, digit, true);
    if (end > pos_ + 2) {
      if (end - pos_ > 1000) Fail("an integer of more than 1000 digits");
      for (char c : without_underscores(pos_ + 2, end)) {
        const int d = IsAsciiDigit(c) ? c - '0' : (c | 0x20) - 'a' + 10;
        value = BigInt::Add(BigInt::Mul(value, BigInt(base)), BigInt(d));
      }
    } else {
      end = pos_;
    }
  }
  if (end == pos_) {
    end = text[pos_] == '0' ? EndOfDigits(text, pos_, IsZero, false)
                            : EndOfDigits(text, pos_, IsAsciiDigit, false);
    const std::string digits = without_underscores(pos_, end);
    if (digits.size() > kMaxIntDigits) {
      Fail(fmt::format("an integer of {} digits, at most {} are supported", digits.size(),
                       kMaxIntDigits));
    }
    value = BigInt::FromDecimal(digits, false);
  }
  Push(TokenKind::kInteger);
  tokens_.back().integer = std::move(value);
  AdvanceTo(end);
  return true;
}

bool Lexer::Name() {
  size_t end = pos_;
  while (end < source_.size()) {
    const Utf8Step step = CharAt(source_, end);
    const char32_t c = step.code_point;
    if (!(end == pos_ ? IsIdentifierStart(c) : IsIdentifierPart(c))) break;
    end += static_cast<size_t>(step.length);
  }
  if (end == pos_) return false;
  Push(TokenKind::kName, source_.substr(pos_, end - pos_));
  AdvanceTo(end);
  return true;
}

bool Lexer::String() {
  const char quote = source_[pos_];
  if (quote != '\'' && quote != '"') return false;
  size_t end = pos_ + 1;
  while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
  if (end >= source_.size())
    Fail(fmt::format("unexpected char '{}': a string without an end", quote));
  Push(TokenKind::kString, Unescape(view().substr(pos_ + 1, end - pos_ - 1)));
  AdvanceTo(end + 1);
  return true;
}

char32_t Lexer::HexEscape(std::string_view text, size_t pos, size_t digits, char kind) const {
  char32_t value = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (pos + i >= text.size() || !IsHexDigit(text[pos + i])) {
      Fail(fmt::format("truncated \\{} escape in a string", kind));
    }
    const char c = text[pos + i];
    value = value * 16 + static_cast<char32_t>(IsAsciiDigit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  if (value > 0x10FFFF) Fail("illegal Unicode character in a string");
  if (value >= 0xD800 && value <= 0xDFFF) {
    Fail(fmt::format("\\{}{:04x} is half of a surrogate pair; write \\U and the character's number",
                     kind, static_cast<uint32_t>(value)));
  }
  return value;
}

// Python's escapes; unknown ones stay as they are.
std::string Lexer::Unescape(std::string_view text) const {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 >= text.size()) {
      out += text[i];
      continue;
    }
    const char c = text[++i];
    switch (c) {
      case '\n':
        break;
      case '\\':
      case '\'':
      case '"':
        out += c;
        break;
      case 'a':
        out += '\a';
        break;
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'v':
        out += '\v';
        break;
      case 'x':
      case 'u':
      case 'U': {
        const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
        AppendUtf8(HexEscape(text, i + 1, digits, c), out);
        i += digits;
        break;
      }
      case 'N':
        throw SyntaxError{"\\N{...} in a string: write \\u or \\U and the character's number",
                          line_, true};
      default:
        if (IsOctalDigit(c)) {
          char32_t value = 0;
          size_t n = 0;
          for (; n < 3 && i + n < text.size() && IsOctalDigit(text[i + n]); ++n) {
            value = value * 8 + static_cast<char32_t>(text[i + n] - '0');
          }
          AppendUtf8(value, out);
          i += n - 1;
        } else {
          out += '\\';
          out += c;
        }
    }
  }
  return out;
}

void Lexer::Operator(std::string& open) {
  static constexpr std::pair<std::string_view, TokenKind> kOperators[] = {
      {"//", TokenKind::kFloorDiv},     {"**", TokenKind::kPow},
      {"==", TokenKind::kEqual},        {"!=", TokenKind::kNotEqual},
      {">=", TokenKind::kGreaterEqual}, {"<=", TokenKind::kLessEqual},
      {"+", TokenKind::kAdd},           {"-", TokenKind::kSub},
      {"/", TokenKind::kDiv},           {"*", TokenKind::kMul},
      {"%", TokenKind::kMod},           {"~", TokenKind::kTilde},
      {"[", TokenKind::kLeftBracket},   {"]", TokenKind::kRightBracket},
      {"(", TokenKind::kLeftParen},     {")", TokenKind::kRightParen},
      {"{", TokenKind::kLeftBrace},     {"}", TokenKind::kRightBrace},
      {">", TokenKind::kGreater},       {"<", TokenKind::kLess},
      {"=", TokenKind::kAssign},        {".", TokenKind::kDot},
      {":", TokenKind::kColon},         {"|", TokenKind::kPipe},
      {",", TokenKind::kComma},         {";", TokenKind::kSemicolon},
  };
  for (const auto& [text, kind] : kOperators) {
    if (!At(text, pos_)) continue;
    const char c = text[0];
    if (c == '(' || c == '[' || c == '{') open += c == '(' ? ')' : c == '[' ? ']' : '}';
    if (c == ')' || c == ']' || c == '}') {
      if (open.empty()) Fail(fmt::format("unexpected '{}'", c));
      if (open.back() != c) Fail(fmt::format("unexpected '{}', expected '{}'", c, open.back()));
      open.pop_back();
    }
    Push(kind);
    return AdvanceTo(pos_ + text.size());
  }
  const auto length = static_cast<size_t>(CharAt(source_, pos_).length);
  Fail(fmt::format("unexpected char '{}'", source_.substr(pos_, length)));
}

}  // namespace

std::vector<Token> Tokenize(std::string_view source) { return Lexer(source).Run(); }

}  // namespace quarry::jinja
