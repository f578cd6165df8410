#include "text/byte_level.h"

#include <array>
#include <cstdint>

#include "base/utf8.h"

namespace quarry::text {
namespace {

// The highest letter: 68 bytes are not printable, so U+0100 + 67.
constexpr char32_t kLastLetter = 0x143;

constexpr bool IsPrintableLatin1(int b) {
  return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
}

struct Alphabet {
  struct Letter {
    char bytes[2];
    uint8_t length;
  };
  std::array<Letter, 256> letters{};
  std::array<int16_t, kLastLetter + 1> byte_of{};  // -1: not a letter

  constexpr Alphabet() {
    byte_of.fill(-1);
    int next = 0x100;
    for (int b = 0; b < 256; ++b) {
      const int c = IsPrintableLatin1(b) ? b : next++;
      byte_of[static_cast<size_t>(c)] = static_cast<int16_t>(b);
      Letter& l = letters[static_cast<size_t>(b)];
      if (c < 0x80) {
        l = {{static_cast<char>(c), 0}, 1};
      } else {
        l = {{static_cast<char>(0xC0 | (c >> 6)), static_cast<char>(0x80 | (c & 0x3F))}, 2};
      }
    }
  }
};
constexpr Alphabet kAlphabet;

}  // namespace

void AppendByteLetters(std::string_view bytes, std::string& out) {
  const size_t old = out.size();
  out.resize(old + 2 * bytes.size());
  char* to = out.data() + old;
  for (const char b : bytes) {
    const auto& letter = kAlphabet.letters[static_cast<unsigned char>(b)];
    to[0] = letter.bytes[0];
    to[1] = letter.bytes[1];
    to += letter.length;
  }
  out.resize(static_cast<size_t>(to - out.data()));
}

bool AppendLetterBytes(std::string_view letters, std::string& out) {
  const size_t old = out.size();
  for (size_t i = 0; i < letters.size();) {
    const Utf8Step step = DecodeUtf8(letters, i);
    const int byte = step.code_point <= kLastLetter ? kAlphabet.byte_of[step.code_point] : -1;
    if (byte < 0) {
      out.resize(old);
      return false;
    }
    out.push_back(static_cast<char>(byte));
    i += static_cast<size_t>(step.length);
  }
  return true;
}

}  // namespace quarry::text
