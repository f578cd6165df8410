// Where the template of a model is looked for.
#include <filesystem>
#include <fstream>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "quarry/chat.h"

#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

class ChatModelFolder : public testing::Test {
 protected:
  void Write(const std::string& name, std::string_view text) {
    const auto path = dir_.path() / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }
  // What the template prints, or the error without the folder's name.
  std::string Render(const RenderOptions& options = {}) {
    const auto without_folder = [&](std::string text) {
      const std::string folder = dir_.path().string();
      for (size_t i; (i = text.find(folder)) != std::string::npos;)
        text.replace(i, folder.size(), "DIR");
      return text;
    };
    const Result<ChatTemplate> chat = ChatTemplate::FromModelFolder(dir_.path());
    code_ = chat.status().code();
    if (!chat.ok()) return without_folder("ERROR " + chat.status().message());
    const auto text = chat->Render({}, options);
    code_ = text.status().code();
    return text.ok() ? *text : without_folder("ERROR " + text.status().message());
  }

  TempDir dir_;
  StatusCode code_ = StatusCode::kOk;
};

TEST_F(ChatModelFolder, TheFileGoesBeforeTheConfig) {
  EXPECT_EQ(Render(),
            "ERROR DIR: no chat template: neither chat_template.jinja nor \"chat_template\" in "
            "tokenizer_config.json");
  EXPECT_EQ(code_, StatusCode::kNotFound);
  Write("chat_template.json", R"({"chat_template": "separate"})");
  EXPECT_EQ(Render(), "separate");
  Write("tokenizer_config.json", R"({"chat_template": "config"})");
  EXPECT_EQ(Render(), "config");
  Write("chat_template.jinja", "file");
  EXPECT_EQ(Render(), "file");
}

TEST_F(ChatModelFolder, SpecialTokensAreStringsOrObjects) {
  Write("chat_template.jinja",
        "{{ bos_token }}{{ eos_token }}{{ unk_token is defined }}{{ pad_token }}{{ image_token }}"
        "{{ additional_special_tokens }}");
  Write(
      "tokenizer_config.json",
      R"({"bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>", "unk_token": null,
            "extra_special_tokens": {"image_token": "<img>"},
            "additional_special_tokens": ["<a>", {"content": "<b>"}]})");
  Write("special_tokens_map.json",
        R"({"eos_token": "<other>", "pad_token": {"content": "<pad>"}})");
  EXPECT_EQ(Render(), "<s></s>False<pad><img>['<a>', '<b>']");
}

TEST_F(ChatModelFolder, NamedTemplates) {
  Write("tokenizer_config.json",
        R"({"chat_template": [{"name": "default", "template": "D"},
                              {"name": "tool_use", "template": "T{{ tools|length }}"},
                              {"name": "rag", "template": "R"}]})");
  EXPECT_EQ(Render(), "D");
  EXPECT_EQ(Render({.kwargs_json = R"({"tools": [1, 2]})"}), "T2");
  EXPECT_EQ(Render({.kwargs_json = R"({"tools": null})"}), "D");
  EXPECT_EQ(Render({.template_name = "rag"}), "R");
  EXPECT_EQ(Render({.template_name = "x"}),
            "ERROR chat template: no template named \"x\", there are: default, tool_use, rag");
  EXPECT_EQ(code_, StatusCode::kNotFound);
  EXPECT_EQ(ChatTemplate::FromModelFolder(dir_.path())->names(),
            (std::vector<std::string>{"default", "tool_use", "rag"}));
  Write("tokenizer_config.json", R"({"chat_template": {"a": "A", "b": "B"}})");
  EXPECT_EQ(Render(),
            "ERROR chat template: none of the templates is the default; choose one of: a, b");
  Write("tokenizer_config.json", R"({"chat_template": [{"name": "only", "template": "O"}]})");
  EXPECT_EQ(Render(), "O");
  Write("chat_template.jinja", "F");
  Write("additional_chat_templates/rag.jinja", "FR");
  EXPECT_EQ(Render(), "F");
  EXPECT_EQ(Render({.template_name = "rag"}), "FR");
}

TEST_F(ChatModelFolder, ManyTemplatesAreRefusedAndFewNamesShown) {
  const auto list = [](int n) {
    std::string json = R"({"chat_template": [)";
    for (int i = 0; i < n; ++i) {
      json += fmt::format(R"({}{{"name": "t{}", "template": ""}})", i > 0 ? "," : "", i);
    }
    return json + "]}";
  };
  Write("tokenizer_config.json", list(64));
  EXPECT_EQ(Render(),
            "ERROR chat template: none of the templates is the default; choose one of: t0, t1, t2, "
            "t3, t4, t5, t6, t7 and 56 more");
  Write("tokenizer_config.json", list(65));
  EXPECT_EQ(Render(),
            "ERROR DIR/tokenizer_config.json: chat_template \"t64\": at most 64 chat templates are "
            "read");
  EXPECT_EQ(code_, StatusCode::kCorruptData);
}

// Names went to the terminal as they are.
TEST_F(ChatModelFolder, NamesInErrorsAreOneLine) {
  Write("tokenizer_config.json", R"({"chat_template": {"a\n\u001b[2J": "{% if %}"}})");
  EXPECT_TRUE(Render().starts_with(
      "ERROR DIR/tokenizer_config.json: chat_template \"a\\n\\x1b[2J\": line 1: "))
      << Render();
  Write("tokenizer_config.json", R"({"chat_template": {"a\n\u001b[2J": 5}})");
  EXPECT_EQ(
      Render(),
      "ERROR DIR/tokenizer_config.json: chat_template: template \"a\\n\\x1b[2J\" is no string");
  Write("tokenizer_config.json", R"({"chat_template": {"a\n\u001b[2J": "A", "b": "B"}})");
  EXPECT_EQ(Render(),
            "ERROR chat template: none of the templates is the default; choose one of: "
            "a\\n\\x1b[2J, b");
}

TEST_F(ChatModelFolder, BrokenFilesAreCorruptData) {
  Write("tokenizer_config.json", R"({"chat_template": "a\n{% if %}"})");
  EXPECT_EQ(Render(),
            "ERROR DIR/tokenizer_config.json: chat_template: line 2: syntax error: Expected an "
            "expression, got 'end of statement block'");
  EXPECT_EQ(code_, StatusCode::kCorruptData);
  Write("tokenizer_config.json", R"({"chat_template": )");
  EXPECT_TRUE(Render().starts_with("ERROR DIR/tokenizer_config.json: ValueError: byte "));
  EXPECT_EQ(code_, StatusCode::kCorruptData);
  Write("tokenizer_config.json", R"([])");
  EXPECT_EQ(Render(), "ERROR DIR/tokenizer_config.json: JSON of type list, must be an object");
  Write("tokenizer_config.json", R"({"chat_template": [{"name": "x"}]})");
  EXPECT_EQ(Render(),
            "ERROR DIR/tokenizer_config.json: chat_template: every template of a list needs "
            "\"name\" and \"template\"");
  Write("tokenizer_config.json", R"({"chat_template": 5})");
  EXPECT_EQ(Render(),
            "ERROR DIR/tokenizer_config.json: chat_template is of JSON type int, must be a "
            "string or a list");
  Write("tokenizer_config.json", R"({"chat_template": "{% include 'x' %}"})");
  Render();
  EXPECT_EQ(code_, StatusCode::kUnsupported);
  Write("tokenizer_config.json", "{}");
  Write("chat_template.jinja", "a\xFF");
  EXPECT_EQ(Render(), "ERROR DIR/chat_template.jinja: template is not valid UTF-8 at byte 1");
}

}  // namespace
}  // namespace quarry
