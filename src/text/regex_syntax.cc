#include "text/regex_syntax.h"

#include <cctype>
#include <charconv>
#include <cstdint>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "base/utf8.h"
#include "text/regex_class.h"

namespace quarry::text {
namespace {

constexpr size_t kMaxGroups = 200;  // PCRE2 itself allows 250 levels of nesting
// Repeats of no more rounds are not worth a callout.
constexpr int64_t kFewRounds = 16;

class Translator {
 public:
  Translator(std::string_view pattern, bool count_repeats)
      : in_(pattern), count_repeats_(count_repeats) {}

  Result<std::string> Run() {
    while (pos_ < in_.size()) {
      if (Status s = Step(); !s.ok()) return s;
    }
    CountRepeat();
    return std::move(out_);
  }

 private:
  // One atom, quantifier or operator.
  Status Step() {
    if (std::string_view("?*+{").find(in_[pos_]) == std::string_view::npos) CountRepeat();
    switch (in_[pos_]) {
      case '\\':
        return Escape();
      case '[':
        BeginAtom();
        return TranslateClass(in_, pos_, out_);
      case '(':
        return Open();
      case ')':
        Close();
        return OkStatus();
      case '|':
        Copy(1);
        atom_.reset();
        return OkStatus();
      case '?':
      case '*':
      case '+':
        return Quantifier(in_.substr(pos_, 1), 1);
      case '{':
        return Braces();
      default:
        break;
    }
    BeginAtom();
    Copy(static_cast<size_t>(DecodeUtf8(in_, pos_).length));
    return OkStatus();
  }

  void Copy(size_t n) {
    out_ += in_.substr(pos_, n);
    pos_ += n;
  }

  void BeginAtom() {
    atom_ = out_.size();
    quantified_ = false;
  }

  Status Escape() {
    BeginAtom();
    EscapedSet set;
    if (ReadSetEscape(in_, pos_, /*bare=*/true, set)) {
      out_ += fmt::format("[{}{}]", set.negated ? "^" : "", set.items);
      return OkStatus();
    }
    const char c = pos_ + 1 < in_.size() ? in_[pos_ + 1] : '\0';
    switch (c) {
      case 'b':
      case 'B': {
        const std::string w = fmt::format("{}{}", kWordSet, kBareWordExtra);
        out_ += c == 'b' ? fmt::format("(?:(?<=[{0}])(?![{0}])|(?<![{0}])(?=[{0}]))", w)
                         : fmt::format("(?:(?<=[{0}])(?=[{0}])|(?<![{0}])(?![{0}]))", w);
        pos_ += 2;
        return OkStatus();
      }
      case 'A':
      case 'z':
      case 'Z':
      case 'G':
      case 'R':
      case 'k':
      case 'K':
        Copy(2);
        return OkStatus();
      case 'N':
        out_ += "[^\\n]";
        pos_ += 2;
        return OkStatus();
      case 'O':
        out_ += "(?s:.)";
        pos_ += 2;
        return OkStatus();
      default:
        break;
    }
    if (c >= '1' && c <= '9') {  // a back reference
      Copy(2);
      while (pos_ < in_.size() && std::isdigit(static_cast<unsigned char>(in_[pos_])) != 0) Copy(1);
      return OkStatus();
    }
    return ReadCharEscape(in_, pos_, out_);
  }

  Status Open() {
    if (in_.substr(pos_, 3) == "(?#") {
      const size_t end = in_.find(')', pos_);
      if (end == std::string_view::npos) return InvalidArgument("a comment without its ')'");
      pos_ = end + 1;
      return OkStatus();
    }
    if (in_.substr(pos_, 3) == "(?~") return Unsupported("the absence operator (?~");
    if (groups_.size() >= kMaxGroups) {
      return Unsupported(fmt::format("groups nested deeper than {}", kMaxGroups));
    }
    groups_.push_back(out_.size());
    atom_.reset();
    if (in_.substr(pos_, 2) != "(?") {
      Copy(1);
      return OkStatus();
    }
    Copy(2);
    if (pos_ < in_.size() &&
        (in_[pos_] == '-' || std::islower(static_cast<unsigned char>(in_[pos_])))) {
      return Flags();
    }
    // :  =  !  >  <=  <!  <name>  'name'
    while (pos_ < in_.size() &&
           std::string_view(":=!>'").find(in_[pos_]) == std::string_view::npos) {
      Copy(1);
    }
    const bool name_in_quotes = pos_ < in_.size() && in_[pos_] == '\'';
    if (pos_ < in_.size()) Copy(1);
    while (name_in_quotes && pos_ < in_.size() && in_[pos_ - 1] != '\'') Copy(1);
    return OkStatus();
  }

  // (?imx-imx) and (?imx-imx: ; m is PCRE2's s.
  Status Flags() {
    for (; pos_ < in_.size() && in_[pos_] != ')' && in_[pos_] != ':'; ++pos_) {
      const char c = in_[pos_];
      if (std::string_view("imx-").find(c) == std::string_view::npos) {
        return Unsupported(fmt::format("the group option '{}'", c));
      }
      out_ += c == 'm' ? 's' : c;
    }
    if (pos_ >= in_.size()) return InvalidArgument("a group without its ')'");
    if (in_[pos_] == ':') {
      Copy(1);
    } else {  // holds to the end of the enclosing group
      Copy(1);
      groups_.pop_back();
    }
    return OkStatus();
  }

  void Close() {
    Copy(1);
    if (groups_.empty()) return;  // PCRE2 reports it
    atom_ = groups_.back();
    quantified_ = false;
    groups_.pop_back();
  }

  // {n}, {n,}, {,m}, {n,m}; any other brace is itself.
  Status Braces() {
    size_t p = pos_ + 1;
    const auto digits = [&] {
      const size_t begin = p;
      while (p < in_.size() && std::isdigit(static_cast<unsigned char>(in_[p])) != 0) ++p;
      return in_.substr(begin, p - begin);
    };
    const std::string_view low = digits();
    const bool comma = in_.substr(p, 1) == ",";
    if (comma) ++p;
    const std::string_view high = comma ? digits() : low;
    if (in_.substr(p, 1) != "}" || (low.empty() && high.empty()) || !atom_) {
      CountRepeat();
      BeginAtom();
      out_ += "\\{";
      ++pos_;
      return OkStatus();
    }
    const std::string repeat = comma ? fmt::format("{{{},{}}}", low.empty() ? "0" : low, high)
                                     : fmt::format("{{{}}}", low);
    const size_t length = p + 1 - pos_;
    if (Status s = Quantifier(repeat, length); !s.ok()) return s;
    int64_t rounds = 0;
    const bool no_end =
        high.empty() ||
        std::from_chars(high.data(), high.data() + high.size(), rounds).ec != std::errc();
    uncounted_ = no_end || rounds > kFewRounds;
    // A following + repeats the repeat; a following ? makes X{n} optional.
    const std::string_view next = in_.substr(pos_, 1);
    if (next == "?" && comma) {
      Copy(1);
    } else if (next == "?" || next == "+") {
      Wrap();
    }
    return OkStatus();
  }

  Status Quantifier(std::string_view repeat, size_t length) {
    if (!atom_) return InvalidArgument(fmt::format("the repeat {} of nothing", repeat));
    if (quantified_) Wrap();
    out_ += repeat;
    pos_ += length;
    quantified_ = true;
    uncounted_ = repeat == "*" || repeat == "+";
    const std::string_view next = in_.substr(pos_, 1);
    if (length == 1 && (next == "?" || next == "+")) Copy(1);  // lazy, possessive
    return OkStatus();
  }

  void Wrap() {
    CountRepeat();
    out_.insert(*atom_, "(?:");
    out_ += ')';
    quantified_ = false;
  }

  // Puts a callout behind the repeat that ends here.
  void CountRepeat() {
    if (uncounted_ && count_repeats_) out_ += "(?C)";
    uncounted_ = false;
  }

  std::string_view in_;
  size_t pos_ = 0;
  std::string out_;
  std::vector<size_t> groups_;  // where in out_ each open group begins
  std::optional<size_t> atom_;  // where in out_ the last atom begins
  bool quantified_ = false;     // it carries a quantifier already
  bool uncounted_ = false;      // and a callout must follow
  bool count_repeats_;
};

}  // namespace

Result<std::string> TranslatePattern(std::string_view pattern, bool count_repeats) {
  return Translator(pattern, count_repeats).Run();
}

}  // namespace quarry::text
