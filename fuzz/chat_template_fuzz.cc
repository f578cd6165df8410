// Any template with any arguments ends in text or a status, within its limits, and every character
// of the text has an origin.
//
// Input: the template, a NUL byte, the arguments as JSON. Without a NUL the arguments are a usual
// conversation.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "text/jinja/template.h"

namespace {

constexpr std::string_view kConversation = R"({
  "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "H\u00e9llo <b>"},
               {"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f",
                "arguments": {"a": 1, "b": [1.5, true]}}}]}, {"role": "tool", "content": "42"}],
  "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
  "bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": true, "n": 3, "x": [1, 2, 3]})";

quarry::jinja::Limits Small() {
  quarry::jinja::Limits limits;
  limits.steps = 20'000;
  limits.memory_bytes = 8u << 20;
  limits.output_bytes = 1u << 20;
  return limits;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using quarry::jinja::RenderInput;
  using quarry::jinja::Template;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t nul = input.find('\0');
  const auto parsed = Template::Parse(input.substr(0, nul), Small());
  if (!parsed.ok()) {
    QUARRY_CHECK(parsed.status().message().find('\n') == std::string::npos, "one line");
    return 0;
  }
  RenderInput arguments;
  arguments.documents.push_back(
      {nul == std::string_view::npos ? kConversation : input.substr(nul + 1)});
  const auto rendered = parsed->Render(arguments);
  if (!rendered.ok()) {
    QUARRY_CHECK(rendered.status().message().find('\n') == std::string::npos, "one line");
    return 0;
  }
  QUARRY_CHECK(quarry::IsValidUtf8(rendered->text), "the text is valid UTF-8");
  size_t last = 0;
  for (size_t i = 0; i < rendered->flips.size(); ++i) {
    const size_t flip = rendered->flips[i];
    QUARRY_CHECK(flip < rendered->text.size(), "origins change inside of the text");
    QUARRY_CHECK(i == 0 || flip > last, "origins are in order");
    last = flip;
  }
  return 0;
}
