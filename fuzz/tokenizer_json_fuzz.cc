// Any bytes as tokenizer.json; what loads must then encode and decode within bounds, keep to valid
// UTF-8, and stream what it decodes.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/tokenizer.h"

#include "base/check.h"
#include "base/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using quarry::TokenId;
  const std::string_view json(reinterpret_cast<const char*>(data), size);
  const auto tokenizer = quarry::Tokenizer::FromJson(json);
  if (!tokenizer.ok()) {
    QUARRY_CHECK(tokenizer.status().message().find('\n') == std::string::npos, "one line");
    return 0;
  }
  // Text that meets the file's own tokens: a part of the file itself, bad bytes included.
  const std::string_view part = json.substr(0, 200);
  const std::string texts[] = {"", "Hello, world! \xE2\x82\xAC 12 \xFF", std::string(part),
                               std::string(300, 'a') + "  \n"};
  for (const std::string& text : texts) {
    for (const bool parse_special : {true, false}) {
      const auto ids = tokenizer->Encode(text, {.parse_special = parse_special});
      if (!ids.ok()) continue;
      const auto whole = tokenizer->Decode(*ids);
      if (!whole.ok()) continue;
      QUARRY_CHECK(quarry::IsValidUtf8(*whole), "decoded text is UTF-8");
      quarry::Detokenizer stream(*tokenizer);
      std::string streamed;
      for (const TokenId id : *ids) {
        const auto piece = stream.Add(id);
        if (!piece.ok()) return 0;
        QUARRY_CHECK(quarry::IsValidUtf8(*piece), "a streamed piece is UTF-8");
        streamed += *piece;
      }
      const auto rest = stream.Flush();
      if (!rest.ok()) return 0;
      streamed += *rest;
      // Byte tokens may be streamed as characters that decoding at once finds broken.
      const bool bytes = json.find("ByteFallback") != std::string_view::npos;
      QUARRY_CHECK(bytes || streamed == *whole, "a stream joins to the decoded text");
    }
  }
  return 0;
}
