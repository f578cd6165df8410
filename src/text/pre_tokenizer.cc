#include "text/pre_tokenizer.h"

#include <optional>
#include <utility>

#include "base/utf8.h"
#include "text/byte_level.h"
#include "text/unicode.h"

namespace quarry::text {
namespace {

// Splits every text piece: `find(view, matches)` fills the matches and gaps of one.
template <typename Find>
Status SplitAll(PieceList& list, SplitBehavior behavior, Find find) {
  std::vector<Piece> out;
  out.reserve(list.pieces.size() * 2);
  std::vector<Match> matches;
  for (const Piece& piece : list.pieces) {
    if (piece.token != kNoToken) {
      out.push_back(piece);
      continue;
    }
    if (Status s = find(list.View(piece), matches); !s.ok()) return s;
    AppendSplit(piece, behavior, matches, out);
  }
  list.pieces = std::move(out);
  return OkStatus();
}

// Rewrites every text piece: `write(piece, view, out)` appends its new text.
template <typename Write>
void RewriteAll(PieceList& list, Write write) {
  std::string out;
  out.reserve(list.text.size() + list.text.size() / 4);
  for (Piece& piece : list.pieces) {
    const size_t begin = out.size();
    if (piece.token == kNoToken) {
      write(piece, list.View(piece), out);
    } else {
      out += list.View(piece);
    }
    piece.begin = begin;
    piece.end = out.size();
  }
  list.text = std::move(out);
}

}  // namespace

Status SplitPreTokenizer::Apply(PieceList& list) const {
  std::optional<RegexMatcher> matcher;
  if (const auto* regex = std::get_if<Regex>(&pattern_)) matcher.emplace(*regex);
  return SplitAll(list, behavior_, [&](std::string_view view, std::vector<Match>& out) {
    if (!matcher) {
      MatchLiteral(view, std::get<std::string>(pattern_), out);
    } else if (Status s = matcher->Split(view, out); !s.ok()) {
      return s;
    }
    if (invert_) {
      for (Match& m : out) m.is_match = !m.is_match;
    }
    return OkStatus();
  });
}

Status CharPreTokenizer::Apply(PieceList& list) const {
  return SplitAll(list, behavior_, [&](std::string_view view, std::vector<Match>& out) {
    MatchChars(view, is_delimiter_, out);
    return OkStatus();
  });
}

Status WordPreTokenizer::Apply(PieceList& list) const {
  enum class Kind { kSpace, kWord, kOther };
  const auto kind_of = [](char32_t c) {
    if (IsWordChar(c)) return Kind::kWord;
    return IsWhitespace(c) ? Kind::kSpace : Kind::kOther;
  };
  return SplitAll(list, SplitBehavior::kRemoved,
                  [&](std::string_view view, std::vector<Match>& out) {
                    for (size_t i = 0; i < view.size();) {
                      Utf8Step step = DecodeUtf8(view, i);
                      const Kind kind = kind_of(step.code_point);
                      size_t end = i + static_cast<size_t>(step.length);
                      while (end < view.size()) {
                        step = DecodeUtf8(view, end);
                        if (kind_of(step.code_point) != kind) break;
                        end += static_cast<size_t>(step.length);
                      }
                      out.push_back({i, end, kind == Kind::kSpace});
                      i = end;
                    }
                    return OkStatus();
                  });
}

Status FixedLengthPreTokenizer::Apply(PieceList& list) const {
  return SplitAll(list, SplitBehavior::kIsolated,
                  [&](std::string_view view, std::vector<Match>& out) {
                    for (size_t i = 0; i < view.size();) {
                      size_t end = i;
                      for (size_t n = 0; n < length_ && end < view.size(); ++n) {
                        end += static_cast<size_t>(DecodeUtf8(view, end).length);
                      }
                      out.push_back({i, end, false});
                      i = end;
                    }
                    return OkStatus();
                  });
}

Status MetaspacePreTokenizer::Apply(PieceList& list) const {
  RewriteAll(list, [&](const Piece& piece, std::string_view view, std::string& out) {
    const bool marked = view.starts_with(' ') || view.starts_with(replacement_);
    const bool wanted =
        prepend_ == Prepend::kAlways || (prepend_ == Prepend::kFirst && piece.at_start);
    if (wanted && !marked) out += replacement_;
    for (size_t begin = 0;;) {
      const size_t blank = view.find(' ', begin);
      out += view.substr(begin, blank - begin);
      if (blank == std::string_view::npos) break;
      out += replacement_;
      begin = blank + 1;
    }
  });
  if (!split_) return OkStatus();
  return SplitAll(list, SplitBehavior::kMergedWithNext,
                  [&](std::string_view view, std::vector<Match>& out) {
                    MatchLiteral(view, replacement_, out);
                    return OkStatus();
                  });
}

Status ByteLevelPreTokenizer::Apply(PieceList& list) const {
  if (add_prefix_space_) {
    RewriteAll(list, [](const Piece&, std::string_view view, std::string& out) {
      if (!view.starts_with(' ')) out += ' ';
      out += view;
    });
  }
  if (split_ != nullptr) {
    if (Status s = split_->Apply(list); !s.ok()) return s;
  }
  RewriteAll(list, [](const Piece&, std::string_view view, std::string& out) {
    AppendByteLetters(view, out);
  });
  return OkStatus();
}

Result<std::unique_ptr<SplitPreTokenizer>> MakeGpt2Split() {
  Result<Regex> regex = Regex::Compile(
      "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+");
  if (!regex.ok()) return regex.status();
  return std::make_unique<SplitPreTokenizer>(std::move(*regex), SplitBehavior::kIsolated, false);
}

Status PreTokenizerSequence::Apply(PieceList& list) const {
  for (const auto& part : parts_) {
    if (Status s = part->Apply(list); !s.ok()) return s;
    if (Status s = CheckStageBytes(list.text.size()); !s.ok()) return s;
  }
  return OkStatus();
}

}  // namespace quarry::text
