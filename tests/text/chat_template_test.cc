// The public interface: messages and arguments in, text, parts or a status out.
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "quarry/chat.h"

namespace quarry {
namespace {

const std::vector<ChatMessage> kMessages = {{"user", "Hi <eos>"}, {"assistant", "Yo"}};

ChatTemplate MustParse(std::string_view source) {
  Result<ChatTemplate> chat =
      ChatTemplate::Parse(source, {{"bos_token", "<bos>"}, {"eos_token", "<eos>"}});
  EXPECT_TRUE(chat.ok()) << chat.status().message();
  return *chat;
}

constexpr std::string_view kSource =
    "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}";

std::string Join(const std::vector<RenderedSegment>& segments) {
  std::string out;
  for (const auto& s : segments) out += s.from_user ? "[[" + s.text + "]]" : s.text;
  return out;
}

TEST(ChatTemplate, RendersAConversation) {
  const ChatTemplate chat = MustParse(kSource);
  EXPECT_EQ(*chat.Render(kMessages), "<bos><user>Hi <eos><eos><assistant>Yo<eos><assistant>");
  EXPECT_EQ(*chat.Render(kMessages, {.add_generation_prompt = false}),
            "<bos><user>Hi <eos><eos><assistant>Yo<eos>");
  EXPECT_EQ(*chat.Render({}), "<bos><assistant>");
  EXPECT_EQ(*chat.RenderJson(R"([{"role": "user", "content": "Hi"}])"),
            "<bos><user>Hi<eos><assistant>");
}

TEST(ChatTemplate, SegmentsTellWhoseTextItIs) {
  const ChatTemplate chat = MustParse(kSource);
  const auto segments = chat.RenderSegments(kMessages);
  ASSERT_TRUE(segments.ok());
  EXPECT_EQ(Join(*segments),
            "<bos><[[user]]>[[Hi <eos>]]<eos><[[assistant]]>[[Yo]]<eos><assistant>");
  for (size_t i = 0; i < segments->size(); ++i) {
    EXPECT_FALSE((*segments)[i].text.empty());
    if (i == 0) continue;
    EXPECT_NE((*segments)[i].from_user, (*segments)[i - 1].from_user);
  }
  EXPECT_EQ(Join(*chat.RenderSegmentsJson(R"([{"role": "user", "content": "x"}])")),
            "<bos><[[user]]>[[x]]<eos><assistant>");
  EXPECT_TRUE(MustParse("").RenderSegments({})->empty());
}

TEST(ChatTemplate, ArgumentsReachTheTemplate) {
  const ChatTemplate chat = MustParse(
      "{{ tools is none }}{{ documents is none }}{{ enable_thinking }}{{ bos_token }}"
      "{{ strftime_now('%Y') }}");
  RenderOptions options;
  options.now = std::chrono::local_days(std::chrono::year(1999) / 12 / 31);
  EXPECT_EQ(*chat.Render({}, options), "TrueTrue<bos>1999");
  options.kwargs_json = R"({"tools": [1], "enable_thinking": false, "bos_token": "B"})";
  EXPECT_EQ(*chat.Render({}, options), "FalseTrueFalseB1999");
  // A token that the caller brings is the caller's text.
  EXPECT_EQ(Join(*chat.RenderSegments({}, options)), "FalseTrue[[FalseB]]1999");
}

TEST(ChatTemplate, ErrorsAreOneLineWithCodeAndPlace) {
  const auto status = [](std::string_view source, const RenderOptions& options = {}) {
    return MustParse(source).Render(kMessages, options).status();
  };
  const Status raised = status("\n{{ raise_exception('Only one turn!\\nReally.') }}");
  EXPECT_EQ(raised.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(raised.message(), "chat template: line 2: raise_exception: Only one turn!\\nReally.");
  EXPECT_EQ(status("{{ messages[5].content.x }}").message(),
            "chat template: line 1: undefined: list object has no element 5");
  EXPECT_EQ(
      ChatTemplate::Parse("{% for %}").status().message(),
      "chat template: line 1: syntax error: Expected an expression, got 'end of statement block'");
  EXPECT_EQ(ChatTemplate::Parse("a{% include 'x' %}").status().code(), StatusCode::kUnsupported);
  RenderOptions options;
  options.kwargs_json = "{\"a\": ";
  EXPECT_EQ(status("", options).code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(
      status("", options).message().starts_with("chat template: arguments: ValueError: byte 7"));
  options.kwargs_json = "[]";
  EXPECT_EQ(status("", options).message(),
            "chat template: arguments: TypeError: JSON of type list, must be an object");
  options.kwargs_json = R"({"messages": []})";
  EXPECT_EQ(status("", options).message(),
            "chat template: arguments: ValueError: 'messages' is given twice");
  options.kwargs_json = R"({"add_generation_prompt": true})";
  EXPECT_EQ(status("", options).message(),
            "chat template: arguments: ValueError: 'add_generation_prompt' is given twice");
  EXPECT_EQ(
      MustParse("").RenderJson("{}").status().message(),
      "chat template: arguments: TypeError: messages are JSON of type dict, must be an array");
  EXPECT_FALSE(MustParse("").RenderJson("[], \"x\": 1").ok());
}

TEST(ChatTemplate, BadUtf8InMessagesIsReplaced) {
  const std::vector<ChatMessage> bad = {{"user", "a\xFF\xE2\x82z"}};
  EXPECT_EQ(*MustParse("{{ messages[0].content }}|{{ messages|tojson }}").Render(bad),
            "a\xEF\xBF\xBD\xEF\xBF\xBDz|[{\"role\": \"user\", \"content\": "
            "\"a\xEF\xBF\xBD\xEF\xBF\xBDz\"}]");
}

TEST(ChatTemplate, LongConversationsAreFine) {
  const std::string mebibyte(1u << 20, 'x');
  const std::vector<ChatMessage> messages(16, ChatMessage{"user", "  " + mebibyte + " "});
  const auto text =
      MustParse("{% for m in messages %}{{ m.content|trim ~ '\n' }}{% endfor %}").Render(messages);
  ASSERT_TRUE(text.ok()) << text.status().message();
  EXPECT_EQ(text->size(), 16 * (mebibyte.size() + 1));
}

TEST(ChatTemplate, OneTemplateServesManyThreads) {
  const ChatTemplate chat = MustParse(kSource);
  std::vector<std::thread> threads;
  std::vector<std::string> texts(4);
  for (size_t t = 0; t < texts.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) texts[t] = *chat.Render(kMessages);
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& text : texts) EXPECT_EQ(text, texts[0]);
}

}  // namespace
}  // namespace quarry
