// Random texts for tests of tokenizers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "base/utf8.h"

namespace quarry {

// Any Unicode scalar value but NUL; mostly low ones.
inline char32_t RandomChar(Rng& rng) {
  constexpr char32_t kLimits[] = {0x80, 0x80, 0x250, 0x3000, 0x10000, 0x110000};
  for (;;) {
    const auto c = static_cast<char32_t>(rng.Below(kLimits[rng.Below(6)]));
    if (c != 0 && (c < 0xD800 || c > 0xDFFF)) return c;
  }
}

// `n` parts: random characters, blanks of all kinds, and words of `words`, some of them repeated.
inline std::string RandomText(Rng& rng, size_t n, const std::vector<std::string>& words = {}) {
  constexpr std::string_view kBlanks[] = {" ",
                                          " ",
                                          " ",
                                          "  ",
                                          "   ",
                                          "\n",
                                          "\r\n",
                                          "\t",
                                          "\xC2\xA0",
                                          "\xE3\x80\x80",
                                          ".",
                                          "\xC2\x85",
                                          "\xE2\x80\xA8",
                                          "\xE2\x80\x8B",
                                          "'s"};
  std::string out;
  for (size_t i = 0; i < n; ++i) {
    switch (rng.Below(words.empty() ? 3 : 6)) {
      case 0:
        AppendUtf8(RandomChar(rng), out);
        break;
      case 1:
        out += kBlanks[rng.Below(std::size(kBlanks))];
        break;
      case 2: {
        std::string c;
        AppendUtf8(RandomChar(rng), c);
        for (uint64_t k = rng.Below(6); k > 0; --k) out += c;
        break;
      }
      default:
        out += words[rng.Below(words.size())];
    }
  }
  return out;
}

}  // namespace quarry
