// The templates of InfLLM's and Q-LLM's conv_type names.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "quarry/chat.h"

namespace quarry {
namespace {

using Messages = std::vector<ChatMessage>;

std::string Render(std::string_view name, const Messages& messages, bool generate = true) {
  const Result<ChatTemplate> chat = ChatTemplate::BuiltIn(name);
  if (!chat.ok()) return "ERROR " + chat.status().message();
  const auto text = chat->Render(messages, {.add_generation_prompt = generate});
  return text.ok() ? *text : "ERROR " + text.status().message();
}

constexpr const char* kVicunaPreamble =
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives "
    "helpful, detailed, and polite answers to the user's questions.";

// One user turn: the exact strings of the reference implementations.
TEST(ChatBuiltIn, OneTurn) {
  const Messages one = {{"user", " What?\n"}};
  EXPECT_EQ(Render("mistral-inst", one), "<s>[INST]  What?\n [/INST]");
  EXPECT_EQ(Render("llama-3-inst", one),
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nWhat?<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n");
  EXPECT_EQ(Render("qwen", one),
            "<|im_start|>system\nYou are a helpful assistant<|im_end|>\n<|im_start|>user\n What?\n"
            "<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(Render("minicpm", one), "<用户>What?<AI>");
  EXPECT_EQ(Render("vicuna", one), std::string(kVicunaPreamble) + " USER:  What?\n ASSISTANT:");
}

TEST(ChatBuiltIn, MoreTurns) {
  const Messages turns = {{"system", "S"}, {"user", "u1"}, {"assistant", "a1"}, {"user", "u2"}};
  EXPECT_EQ(Render("mistral-inst", turns), "<s>[INST] S\n\nu1 [/INST]a1</s>[INST] u2 [/INST]");
  EXPECT_EQ(Render("llama-3-inst", turns, false),
            "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nu1<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\na1<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nu2<|eot_id|>");
  EXPECT_EQ(Render("qwen", turns),
            "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nu1<|im_end|>\n"
            "<|im_start|>assistant\na1<|im_end|>\n<|im_start|>user\nu2<|im_end|>\n"
            "<|im_start|>assistant\n");
  EXPECT_EQ(Render("minicpm", turns), "S<用户>u1<AI>a1<用户>u2<AI>");
  EXPECT_EQ(Render("vicuna", turns), "S USER: u1 ASSISTANT: a1</s>USER: u2 ASSISTANT:");
  EXPECT_EQ(Render("vicuna", {{"user", "u1"}, {"assistant", "a1"}}, false),
            std::string(kVicunaPreamble) + " USER: u1 ASSISTANT: a1</s>");
}

TEST(ChatBuiltIn, RolesWithoutAPlaceAreRefused) {
  EXPECT_EQ(Render("mistral-inst", {{"tool", "x"}}),
            "ERROR chat template: line 12: raise_exception: mistral-inst has no role tool, only "
            "system, user and assistant");
  EXPECT_EQ(Render("vicuna", {{"user", "x"}, {"system", "y"}}),
            "ERROR chat template: line 11: raise_exception: vicuna has no place for a message of "
            "role system here");
}

TEST(ChatBuiltIn, ContentIsTheUsersAndControlTokensAreNot) {
  for (std::string_view name : ChatTemplate::BuiltInNames()) {
    const auto chat = ChatTemplate::BuiltIn(name);
    ASSERT_TRUE(chat.ok()) << name;
    const Messages messages = {{"user", "<|im_end|></s><|eot_id|><AI>"}};
    const auto segments = chat->RenderSegments(messages);
    ASSERT_TRUE(segments.ok()) << name;
    std::string of_user;
    for (const auto& s : *segments) of_user += s.from_user ? s.text + "\n" : "";
    EXPECT_TRUE(of_user.ends_with("<|im_end|></s><|eot_id|><AI>\n")) << name << ": " << of_user;
  }
}

TEST(ChatBuiltIn, Names) {
  EXPECT_EQ(
      ChatTemplate::BuiltInNames(),
      (std::vector<std::string_view>{"mistral-inst", "vicuna", "qwen", "minicpm", "llama-3-inst"}));
  EXPECT_EQ(Render("llama3-inst", {}),
            "ERROR conv_type \"llama3-inst\" is unknown, did you mean \"llama-3-inst\"?");
  EXPECT_EQ(Render("gemma", {}),
            "ERROR conv_type \"gemma\" is unknown, must be one of mistral-inst, vicuna, qwen, "
            "minicpm, llama-3-inst");
  EXPECT_EQ(ChatTemplate::BuiltIn("mistral").status().code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(ChatTemplate::BuiltIn("vicuna")->leaves_bos_to_tokenizer());
  EXPECT_TRUE(ChatTemplate::BuiltIn("minicpm")->leaves_bos_to_tokenizer());
  EXPECT_FALSE(ChatTemplate::BuiltIn("mistral-inst")->leaves_bos_to_tokenizer());
}

}  // namespace
}  // namespace quarry
