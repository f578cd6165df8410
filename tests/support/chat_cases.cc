#include "tests/support/chat_cases.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "quarry/tokenizer.h"

#include "tests/support/gzip.h"
#include "text/jinja/dict.h"
#include "text/jinja/error.h"
#include "text/jinja/json.h"
#include "text/jinja/runtime.h"

namespace quarry::golden {
namespace {

using Json = nlohmann::json;

ChatCase RenderCase(const ChatTemplate& chat, const Tokenizer& tokenizer, const std::string& text) {
  const Json line = Json::parse(text);
  RenderOptions options;
  options.add_generation_prompt = line.value("add_generation_prompt", false);
  options.now = kChatClock;
  options.kwargs_json = MemberText(text, "kwargs");
  ChatCase c{line.value("name", ""),
             chat.RenderSegmentsJson(MemberText(text, "messages"), options)};
  c.want_error = line.value("error", false);
  c.want_error_kind = line.value("error_kind", "");
  c.want_error_message = line.value("error_message", "");
  c.want_text = line.value("text", "");
  if (c.rendered.ok() && line.contains("ids")) {
    c.ids = tokenizer.Encode(TextOf(*c.rendered), {.add_special_tokens = false});
    c.want_ids = line["ids"].get<std::vector<TokenId>>();
  }
  return c;
}

}  // namespace

Result<std::vector<ChatCase>> RenderChatCases(const std::filesystem::path& folder) {
  const Result<ChatTemplate> chat = ChatTemplate::FromModelFolder(folder);
  if (!chat.ok()) return chat.status();
  const std::optional<std::string> json = ReadMaybeGzip(folder / "tokenizer.json");
  if (!json) return NotFound((folder / "tokenizer.json").string() + ": cannot be read");
  const Result<Tokenizer> tokenizer = Tokenizer::FromJson(*json);
  if (!tokenizer.ok()) return tokenizer.status().WithPrefix(folder.string());
  std::vector<ChatCase> cases;
  std::ifstream in(folder / "chat.jsonl");
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) cases.push_back(RenderCase(*chat, *tokenizer, line));
  }
  if (cases.empty()) return NotFound((folder / "chat.jsonl").string() + ": no cases");
  return cases;
}

std::string MemberText(const std::string& object, std::string_view name) {
  jinja::Runtime rt(jinja::Limits{}, {});
  try {
    const jinja::Value members = jinja::ParseJson(rt, object, false);
    const jinja::Value* member = members.dict().Find(name);
    if (member == nullptr) return "";
    return std::string(jinja::DumpJson(rt, *member, {}).view());
  } catch (const jinja::Error& e) {
    throw std::runtime_error(e.message);
  }
}

std::string TextOf(const std::vector<RenderedSegment>& segments) {
  std::string text;
  for (const RenderedSegment& s : segments) text += s.text;
  return text;
}

bool Matches(const ChatCase& c, std::string* why) {
  if (!c.rendered.ok()) {
    const std::string message = c.rendered.status().message();
    if (!c.want_error) {
      *why = fmt::format("{}: {}", c.name, message);
      return false;
    }
    // "...: line 3: raise_exception: MESSAGE", the message on one line.
    const std::string want =
        c.want_error_message.empty()
            ? fmt::format(": {}: ", c.want_error_kind)
            : fmt::format(": {}: {}", c.want_error_kind, jinja::OneLine(c.want_error_message));
    const bool found = c.want_error_message.empty() ? message.find(want) != std::string::npos
                                                    : message.ends_with(want);
    if (!found) *why = fmt::format("{}: got \"{}\", want \"...{}\"", c.name, message, want);
    return found;
  }
  if (c.want_error) {
    *why = fmt::format("{}: rendered, but {} was wanted", c.name, c.want_error_kind);
    return false;
  }
  const std::string text = TextOf(*c.rendered);
  if (text != c.want_text) {
    const auto [a, b] =
        std::mismatch(text.begin(), text.end(), c.want_text.begin(), c.want_text.end());
    *why =
        fmt::format("{}: differs from byte {}: got \"{}\", want \"{}\"", c.name, a - text.begin(),
                    jinja::OneLine(std::string(a, std::min(a + 40, text.end()))),
                    jinja::OneLine(std::string(b, std::min(b + 40, c.want_text.end()))));
    return false;
  }
  if (!c.ids.ok()) {
    *why = fmt::format("{}: {}", c.name, c.ids.status().message());
    return false;
  }
  if (*c.ids != c.want_ids) {
    *why = fmt::format("{}: got ids {}, want {}", c.name, fmt::join(*c.ids, " "),
                       fmt::join(c.want_ids, " "));
    return false;
  }
  return true;
}

}  // namespace quarry::golden
