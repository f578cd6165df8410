#include "text/charsmap.h"

#include <fmt/format.h>

#include "base/utf8.h"

namespace quarry::text {
namespace {

// Fields of one unit of the double array.
uint32_t LabelOf(uint32_t unit) { return unit & (0x80000000u | 0xFF); }
bool HasLeaf(uint32_t unit) { return ((unit >> 8) & 1) != 0; }
uint32_t ValueOf(uint32_t unit) { return unit & 0x7FFFFFFFu; }
uint32_t OffsetOf(uint32_t unit) { return (unit >> 10) << ((unit & 0x200u) >> 6); }

// Keys are characters and sequences of few. A damaged trie may lead in circles.
constexpr size_t kMaxKeyBytes = 1024;

uint32_t ReadU32(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

}  // namespace

Result<Charsmap> Charsmap::Parse(std::string_view bytes) {
  if (bytes.size() < 4) {
    return CorruptData(fmt::format("character map: {} bytes, at least 4 expected", bytes.size()));
  }
  const size_t trie_bytes = ReadU32(bytes, 0);
  if (trie_bytes > bytes.size() - 4 || trie_bytes % 4 != 0 || trie_bytes == 0) {
    return CorruptData(
        fmt::format("character map: a trie of {} bytes in {} bytes", trie_bytes, bytes.size()));
  }
  Charsmap map;
  map.units_.reserve(trie_bytes / 4);
  for (size_t i = 0; i < trie_bytes; i += 4) map.units_.push_back(ReadU32(bytes, 4 + i));
  map.replacements_ = bytes.substr(4 + trie_bytes);
  if (!IsValidUtf8(map.replacements_)) return CorruptData("character map: replacements not UTF-8");
  if (!map.replacements_.empty() && map.replacements_.back() != '\0') {
    return CorruptData("character map: the last replacement does not end with a zero byte");
  }
  return map;
}

// Every index is checked: the trie comes from a file.
std::optional<Charsmap::Hit> Charsmap::Search(std::string_view text, bool shortest) const {
  size_t length = 0, value = 0;
  size_t node = OffsetOf(units_[0]);
  text = text.substr(0, kMaxKeyBytes);
  for (size_t i = 0; i < text.size() && text[i] != '\0'; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    node ^= byte;
    if (node >= units_.size() || LabelOf(units_[node]) != byte) break;
    const bool leaf = HasLeaf(units_[node]);
    node ^= OffsetOf(units_[node]);
    if (!leaf) continue;
    if (node >= units_.size()) break;
    const size_t at = ValueOf(units_[node]);
    if (at >= replacements_.size()) break;
    length = i + 1;
    value = at;
    if (shortest) break;
  }
  if (length == 0) return std::nullopt;
  const size_t end = replacements_.find('\0', value);
  return Hit{length, std::string_view(replacements_).substr(value, end - value)};
}

Status PrecompiledNormalizer::Apply(std::string& text, bool&) const {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t length = GraphemeLength(text, i);
    const std::string_view grapheme = std::string_view(text).substr(i, length);
    const auto whole = length < 6 ? map_.Shortest(grapheme) : std::nullopt;
    if (whole) {
      out += whole->replacement;
    } else {
      for (size_t j = 0; j < length;) {
        const auto n = static_cast<size_t>(DecodeUtf8(grapheme, j).length);
        const std::string_view part = grapheme.substr(j, n);
        const auto hit = map_.Shortest(part);
        out += hit ? hit->replacement : part;
        if (Status s = CheckStageBytes(out.size()); !s.ok()) return s;
        j += n;
      }
    }
    if (Status s = CheckStageBytes(out.size()); !s.ok()) return s;
    i += length;
  }
  text = std::move(out);
  return OkStatus();
}

}  // namespace quarry::text
