// Any bytes as tokenizer.model (SentencePiece); what loads must then encode and decode within
// bounds and keep to valid UTF-8.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "quarry/tokenizer.h"

#include "base/check.h"
#include "base/utf8.h"
#include "text/pipeline.h"
#include "text/sentencepiece.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  auto parts = quarry::text::ParseSentencePiece(bytes, {});
  if (!parts.ok()) {
    QUARRY_CHECK(parts.status().message().find('\n') == std::string::npos, "one line");
    return 0;
  }
  auto pipeline = quarry::text::Pipeline::Create(std::move(*parts));
  if (!pipeline.ok()) return 0;
  const quarry::Tokenizer tokenizer(std::move(*pipeline));
  const std::string texts[] = {"", "Hello, world! \xE2\x82\xAC 12 \xFF",
                               std::string(bytes.substr(0, 200)), std::string(300, 'a') + "  \n"};
  for (const std::string& text : texts) {
    const auto ids = tokenizer.Encode(text);
    if (!ids.ok()) continue;
    const auto whole = tokenizer.Decode(*ids);
    QUARRY_CHECK(!whole.ok() || quarry::IsValidUtf8(*whole), "decoded text is UTF-8");
  }
  return 0;
}
