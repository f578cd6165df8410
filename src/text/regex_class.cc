#include "text/regex_class.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

#include <fmt/format.h>

#include "base/utf8.h"

namespace quarry::text {
namespace {

constexpr int kMaxNesting = 32;

struct NamedSet {
  std::string_view name;
  std::string_view items;
};

// Names of \p{...} and [:...:] that PCRE2 lacks or reads differently; looked up in lower case
// without separators.
constexpr std::array<NamedSet, 30> kNamedSets = {{
    {"alnum", "\\p{Alphabetic}\\p{Nd}"},
    {"alpha", "\\p{Alphabetic}"},
    {"ascii", "\\x{00}-\\x{7F}"},
    {"blank", "\\p{Zs}\\t"},
    {"cntrl", "\\p{Cc}"},
    {"digit", "\\p{Nd}"},
    {"lower", "\\p{Lowercase}"},
    {"print", "[:print:]"},
    {"graph", "[:graph:]"},
    {"punct", "\\p{P}\\p{S}"},  // of [:punct:]; \p{Punct} is \p{P}
    {"space", kSpaceSet},
    {"upper", "\\p{Uppercase}"},
    {"word", kWordSet},
    {"xdigit", kHexSet},
    {"any", "\\p{Any}"},
    {"letter", "\\p{L}"},
    {"uppercaseletter", "\\p{Lu}"},
    {"lowercaseletter", "\\p{Ll}"},
    {"titlecaseletter", "\\p{Lt}"},
    {"modifierletter", "\\p{Lm}"},
    {"otherletter", "\\p{Lo}"},
    {"mark", "\\p{M}"},
    {"number", "\\p{N}"},
    {"decimalnumber", "\\p{Nd}"},
    {"punctuation", "\\p{P}"},
    {"symbol", "\\p{S}"},
    {"separator", "\\p{Z}"},
    {"spaceseparator", "\\p{Zs}"},
    {"other", "\\p{C}"},
    {"control", "\\p{Cc}"},
}};

// Properties that are not scripts, by the name both engines use.
constexpr std::array<std::string_view, 16> kBinaryProperties = {"alphabetic",
                                                                "lowercase",
                                                                "uppercase",
                                                                "whitespace",
                                                                "emoji",
                                                                "math",
                                                                "dash",
                                                                "hexdigit",
                                                                "ideographic",
                                                                "idstart",
                                                                "idcontinue",
                                                                "any",
                                                                "extendedpictographic",
                                                                "emojimodifier",
                                                                "emojicomponent",
                                                                "emojipresentation"};

std::string PlainName(std::string_view name) {
  std::string out;
  for (char c : name) {
    if (c == ' ' || c == '_' || c == '-') continue;
    out.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  }
  return out;
}

// The inside of a PCRE2 class for a property or POSIX name. A script is asked for by its own
// property: PCRE2's short form means Script_Extensions.
std::string PropertyItems(std::string_view name) {
  const std::string plain = PlainName(name);
  for (const NamedSet& set : kNamedSets) {
    if (set.name == plain) return std::string(set.items);
  }
  const bool category = plain.size() <= 2;
  const bool binary = std::find(kBinaryProperties.begin(), kBinaryProperties.end(), plain) !=
                      kBinaryProperties.end();
  return fmt::format("\\p{{{}{}}}", category || binary ? "" : "sc:", name);
}

std::string WordItems(bool bare) {
  return fmt::format("{}{}", kWordSet, bare ? kBareWordExtra : "");
}

// A class, or one operand of &&: items of a flat PCRE2 class and further one-character atoms.
struct Operand {
  std::string items;
  std::vector<std::string> atoms;

  bool empty() const { return items.empty() && atoms.empty(); }
  std::string ToAtom() const {
    if (atoms.empty()) return items.empty() ? "(?!)" : fmt::format("[{}]", items);
    std::string out = "(?:";
    if (!items.empty()) out += fmt::format("[{}]|", items);
    for (size_t i = 0; i < atoms.size(); ++i) out += (i > 0 ? "|" : "") + atoms[i];
    return out + ")";
  }
};

std::string Negate(const std::string& atom) { return fmt::format("(?:(?!{})(?s:.))", atom); }

class ClassReader {
 public:
  ClassReader(std::string_view pattern, size_t& pos) : pattern_(pattern), pos_(pos) {}

  // REQUIRES: pattern[pos] is '['.
  Status Read(int depth, std::string& out) {
    if (depth > kMaxNesting) {
      return Unsupported(fmt::format("classes nested deeper than {}", kMaxNesting));
    }
    ++pos_;
    const bool negated = Accept("^");
    std::vector<Operand> operands(1);
    bool first = true;
    for (;; first = false) {
      if (pos_ >= pattern_.size()) return InvalidArgument("a class without its closing ']'");
      if (pattern_[pos_] == ']' && !first) break;
      if (Accept("&&")) {
        operands.emplace_back();
        continue;
      }
      if (Status s = ReadItem(depth, operands.back()); !s.ok()) return s;
    }
    ++pos_;
    if (operands.size() == 1 && operands[0].atoms.empty()) {
      out += fmt::format("[{}{}]", negated ? "^" : "", operands[0].items);
      return OkStatus();
    }
    std::string atom = operands[0].ToAtom();
    for (size_t i = 1; i < operands.size(); ++i) {
      atom = fmt::format("(?:(?={}){})", operands[i].ToAtom(), atom);
    }
    out += negated ? Negate(atom) : atom;
    return OkStatus();
  }

 private:
  bool Accept(std::string_view text) {
    if (pattern_.substr(pos_, text.size()) != text) return false;
    pos_ += text.size();
    return true;
  }

  Status ReadItem(int depth, Operand& operand) {
    if (pattern_[pos_] == '[') {
      if (ReadPosix(operand)) return OkStatus();
      std::string nested;
      if (Status s = Read(depth + 1, nested); !s.ok()) return s;
      operand.atoms.push_back(std::move(nested));
      return OkStatus();
    }
    EscapedSet set;
    if (pattern_[pos_] == '\\' && ReadSetEscape(pattern_, pos_, /*bare=*/false, set)) {
      if (set.negated) {
        operand.atoms.push_back(fmt::format("[^{}]", set.items));
      } else {
        operand.items += set.items;
      }
      return OkStatus();
    }
    return ReadRange(operand);
  }

  // [:name:] and [:^name:]
  bool ReadPosix(Operand& operand) {
    if (pattern_.substr(pos_, 2) != "[:") return false;
    const size_t end = pattern_.find(":]", pos_ + 2);
    if (end == std::string_view::npos) return false;
    std::string_view name = pattern_.substr(pos_ + 2, end - pos_ - 2);
    const bool negated = name.starts_with('^');
    if (negated) name.remove_prefix(1);
    if (name.empty() || !std::all_of(name.begin(), name.end(),
                                     [](unsigned char c) { return std::isalpha(c) != 0; })) {
      return false;
    }
    pos_ = end + 2;
    if (negated) {
      operand.atoms.push_back(fmt::format("[^{}]", PropertyItems(name)));
    } else {
      operand.items += PropertyItems(name);
    }
    return true;
  }

  // One character, or a range of them.
  Status ReadRange(Operand& operand) {
    if (Status s = ReadChar(operand.items); !s.ok()) return s;
    const bool range = pattern_.substr(pos_, 1) == "-" && pos_ + 1 < pattern_.size() &&
                       pattern_[pos_ + 1] != ']' && pattern_[pos_ + 1] != '[' &&
                       pattern_.substr(pos_ + 1, 2) != "&&";
    if (!range) return OkStatus();
    size_t after = pos_ + 1;
    EscapedSet unused;
    if (pattern_[after] == '\\' && ReadSetEscape(pattern_, after, /*bare=*/false, unused))
      return OkStatus();
    ++pos_;
    operand.items += '-';
    return ReadChar(operand.items);
  }

  Status ReadChar(std::string& items) {
    const char c = pattern_[pos_];
    if (c == '\\') return ReadCharEscape(pattern_, pos_, items);
    const auto length = static_cast<size_t>(DecodeUtf8(pattern_, pos_).length);
    if (length == 1 && std::ispunct(static_cast<unsigned char>(c)) != 0) items += '\\';
    items += pattern_.substr(pos_, length);
    pos_ += length;
    return OkStatus();
  }

  std::string_view pattern_;
  size_t& pos_;
};

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Up to `limit` hexadecimal digits at `pos`; -1 if there are none or the value leaves Unicode.
int64_t ReadHex(std::string_view pattern, size_t& pos, int limit) {
  int64_t value = 0;
  int digits = 0;
  for (; digits < limit && pos < pattern.size() && HexValue(pattern[pos]) >= 0; ++digits, ++pos) {
    value = value * 16 + HexValue(pattern[pos]);
  }
  const bool scalar = value <= 0x10FFFF && !(value >= 0xD800 && value <= 0xDFFF);
  return digits > 0 && scalar ? value : -1;
}

}  // namespace

bool ReadSetEscape(std::string_view pattern, size_t& pos, bool bare, EscapedSet& out) {
  const char c = pos + 1 < pattern.size() ? pattern[pos + 1] : '\0';
  const auto simple = [&](std::string_view items, bool negated) {
    out = {std::string(items), negated};
    pos += 2;
    return true;
  };
  switch (c) {
    case 's':
      return simple(kSpaceSet, false);
    case 'S':
      return simple(kSpaceSet, true);
    case 'w':
      return simple(WordItems(bare), false);
    case 'W':
      return simple(WordItems(bare), true);
    case 'd':
      return simple("\\p{Nd}", false);
    case 'D':
      return simple("\\p{Nd}", true);
    case 'h':
      return simple(kHexSet, false);
    case 'H':
      return simple(kHexSet, true);
    case 'p':
    case 'P':
      break;
    default:
      return false;
  }
  if (pos + 2 >= pattern.size() || pattern[pos + 2] != '{') return false;
  const size_t end = pattern.find('}', pos);
  if (end == std::string_view::npos) return false;
  std::string_view name = pattern.substr(pos + 3, end - pos - 3);
  bool negated = c == 'P';
  if (name.starts_with('^')) {
    negated = !negated;
    name.remove_prefix(1);
  }
  const std::string plain = PlainName(name);
  if (plain == "word") {
    out = {WordItems(bare), negated};
  } else {
    out = {plain == "punct" ? "\\p{P}" : PropertyItems(name), negated};
  }
  pos = end + 1;
  return true;
}

Status ReadCharEscape(std::string_view pattern, size_t& pos, std::string& out) {
  if (pos + 1 >= pattern.size()) return InvalidArgument("ends with a backslash");
  const size_t begin = pos;
  const char c = pattern[pos + 1];
  pos += 2;
  int64_t value = -1;
  if (c == 'x' && pos < pattern.size() && pattern[pos] == '{') {
    ++pos;
    value = ReadHex(pattern, pos, 8);
    if (pos >= pattern.size() || pattern[pos] != '}') value = -1;
    ++pos;
  } else if (c == 'x') {
    value = ReadHex(pattern, pos, 2);
    if (value >= 0x80) {
      return Unsupported(fmt::format("the byte escape \\x{:02X}", value));
    }
  } else if (c == 'u') {
    value = ReadHex(pattern, pos, 4);
  } else {
    switch (c) {
      case 'n':
        value = '\n';
        break;
      case 't':
        value = '\t';
        break;
      case 'r':
        value = '\r';
        break;
      case 'f':
        value = '\f';
        break;
      case 'v':
        value = '\v';
        break;
      case 'a':
        value = '\a';
        break;
      case 'e':
        value = 0x1B;
        break;
      case '0':
        value = 0;
        break;
      default:
        if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
          return Unsupported(fmt::format("the escape \\{}", c));
        }
        const auto length = static_cast<size_t>(DecodeUtf8(pattern, begin + 1).length);
        if (length == 1) out += '\\';
        out += pattern.substr(begin + 1, length);
        pos = begin + 1 + length;
        return OkStatus();
    }
  }
  if (value < 0) {
    return InvalidArgument(fmt::format("the escape \\{} without a code point", c));
  }
  out += fmt::format("\\x{{{:X}}}", value);
  return OkStatus();
}

Status TranslateClass(std::string_view pattern, size_t& pos, std::string& out) {
  return ClassReader(pattern, pos).Read(0, out);
}

}  // namespace quarry::text
