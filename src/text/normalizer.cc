#include "text/normalizer.h"

#include "base/utf8.h"
#include "text/byte_level.h"

namespace quarry::text {
namespace {

// Rebuilds `text` from its characters: `map(c, out)` appends what becomes of `c`.
template <typename Map>
void MapChars(std::string& text, bool& at_start, Map map) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const Utf8Step step = DecodeUtf8(text, i);
    const size_t before = out.size();
    map(step.code_point, out);
    if (i == 0 && out.size() == before) at_start = false;
    i += static_cast<size_t>(step.length);
  }
  text = std::move(out);
}

bool IsAsciiText(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

}  // namespace

Status UnicodeNormalizer::Apply(std::string& text, bool&) const {
  if (!IsAsciiText(text)) text = Normalize(text, form_);
  return OkStatus();
}

Status LowercaseNormalizer::Apply(std::string& text, bool& at_start) const {
  MapChars(text, at_start, AppendLowercase);
  return OkStatus();
}

Status StripNormalizer::Apply(std::string& text, bool& at_start) const {
  size_t begin = 0;
  while (left_ && begin < text.size()) {
    const Utf8Step step = DecodeUtf8(text, begin);
    if (!IsWhitespace(step.code_point)) break;
    begin += static_cast<size_t>(step.length);
  }
  size_t end = text.size();
  while (right_ && end > begin) {
    size_t last = end - 1;
    while (last > begin && (static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
    if (!IsWhitespace(DecodeUtf8(text, last).code_point)) break;
    end = last;
  }
  if (begin > 0) at_start = false;
  text = text.substr(begin, end - begin);
  return OkStatus();
}

Status StripAccentsNormalizer::Apply(std::string& text, bool& at_start) const {
  if (IsAsciiText(text)) return OkStatus();
  MapChars(text, at_start, [](char32_t c, std::string& out) {
    if (!IsMark(c)) AppendUtf8(c, out);
  });
  return OkStatus();
}

Status PrependNormalizer::Apply(std::string& text, bool&) const {
  if (!text.empty()) text.insert(0, prefix_);
  return OkStatus();
}

Status ReplaceNormalizer::Apply(std::string& text, bool& at_start) const {
  bool front_dropped = false;
  if (Status s = replacement_.Apply(text, front_dropped); !s.ok()) return s;
  if (front_dropped) at_start = false;
  return OkStatus();
}

Status ByteLevelNormalizer::Apply(std::string& text, bool&) const {
  std::string out;
  AppendByteLetters(text, out);
  text = std::move(out);
  return OkStatus();
}

Status BertNormalizer::Apply(std::string& text, bool& at_start) const {
  if (rules_.clean_text) {
    MapChars(text, at_start, [](char32_t c, std::string& out) {
      if (c == 0 || c == 0xFFFD || IsControl(c)) return;
      AppendUtf8(IsWhitespace(c) ? U' ' : c, out);
    });
  }
  if (rules_.pad_ideographs && !IsAsciiText(text)) {
    MapChars(text, at_start, [](char32_t c, std::string& out) {
      const bool pad = IsCjkIdeograph(c);
      if (pad) out += ' ';
      AppendUtf8(c, out);
      if (pad) out += ' ';
    });
  }
  if (rules_.strip_accents && !IsAsciiText(text)) {
    text = Normalize(text, NormalForm::kNfd);
    MapChars(text, at_start, [](char32_t c, std::string& out) {
      if (!IsNonspacingMark(c)) AppendUtf8(c, out);
    });
  }
  if (rules_.lowercase) MapChars(text, at_start, AppendLowercase);
  return OkStatus();
}

Status NmtNormalizer::Apply(std::string& text, bool& at_start) const {
  MapChars(text, at_start, [](char32_t c, std::string& out) {
    const bool dropped = (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) ||
                         c == 0x7F || c == 0x8F || c == 0x9F;
    if (dropped) return;
    const bool blank = c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
                       (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                       c == 0xFEFF || c == 0xFFFD;
    AppendUtf8(blank ? U' ' : c, out);
  });
  return OkStatus();
}

Status NormalizerSequence::Apply(std::string& text, bool& at_start) const {
  for (const auto& part : parts_) {
    if (Status s = part->Apply(text, at_start); !s.ok()) return s;
    if (Status s = CheckStageBytes(text.size()); !s.ok()) return s;
  }
  return OkStatus();
}

}  // namespace quarry::text
