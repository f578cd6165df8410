#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "quarry/chat.h"

#include "base/quoted.h"
#include "text/chat/built_in.h"
#include "text/chat/chat_template_impl.h"
#include "text/chat/model_folder.h"
#include "text/jinja/access.h"
#include "text/jinja/error.h"
#include "text/jinja/json.h"
#include "text/jinja/runtime.h"
#include "text/jinja/strftime.h"

namespace quarry {
namespace {

constexpr std::string_view kPrefix = "chat template";

// {"bos_token": "<s>", ...}
std::string ToJson(const std::map<std::string, std::string>& special_tokens) {
  return nlohmann::json(special_tokens)
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Whether the arguments hold tools: a member that is not null.
Result<bool> HasTools(std::string_view kwargs_json) {
  jinja::Runtime rt(jinja::Limits{}, {});
  try {
    const jinja::Value kwargs = jinja::ParseJson(rt, kwargs_json, true);
    if (!kwargs.is(jinja::Kind::kDict)) return false;
    const jinja::Value tools = jinja::GetAttr(rt, kwargs, "tools");
    return !tools.undefined() && !tools.none();
  } catch (const jinja::Error& e) {
    return jinja::ToStatus(e, 0).WithPrefix("arguments");
  }
}

// The templates' names, some of them if there are many.
std::string Names(const ChatTemplate::Impl& impl) {
  constexpr size_t kShown = 8;
  std::vector<std::string> names;
  for (const auto& [name, parsed] : impl.templates) {
    if (names.size() == kShown) {
      return fmt::format("{} and {} more", fmt::join(names, ", "), impl.templates.size() - kShown);
    }
    names.push_back(OneLine(name, 40));
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

Result<const jinja::Template*> Choose(const ChatTemplate::Impl& impl,
                                      const RenderOptions& options) {
  const auto find = [&](std::string_view name) -> const jinja::Template* {
    for (const auto& [known, parsed] : impl.templates) {
      if (known == name) return &parsed;
    }
    return nullptr;
  };
  if (!options.template_name.empty()) {
    if (const auto* named = find(options.template_name)) return named;
    return NotFound(fmt::format("no template named {}, there are: {}",
                                Quoted(options.template_name), Names(impl)));
  }
  if (impl.templates.size() == 1) return &impl.templates[0].second;
  if (const auto* for_tools = find("tool_use");
      for_tools != nullptr && !options.kwargs_json.empty()) {
    const Result<bool> has_tools = HasTools(options.kwargs_json);
    if (!has_tools.ok()) return has_tools.status();
    if (*has_tools) return for_tools;
  }
  if (const auto* usual = find("default")) return usual;
  return InvalidArgument(
      fmt::format("none of the templates is the default; choose one of: {}", Names(impl)));
}

std::vector<RenderedSegment> ToSegments(const jinja::RenderedText& rendered) {
  std::vector<RenderedSegment> segments;
  size_t begin = 0;
  bool from_user = false;
  const auto add = [&](size_t end) {
    if (end > begin) segments.push_back({rendered.text.substr(begin, end - begin), from_user});
    begin = end;
    from_user = !from_user;
  };
  for (size_t flip : rendered.flips) add(flip);
  add(rendered.text.size());
  return segments;
}

// `input` has the messages and nothing else; the other arguments are added here.
Result<jinja::RenderedText> RenderText(const ChatTemplate::Impl& impl, jinja::RenderInput input,
                                       const RenderOptions& options) {
  const Result<const jinja::Template*> chosen = Choose(impl, options);
  if (!chosen.ok()) return chosen.status().WithPrefix(kPrefix);
  const std::string given =
      fmt::format("{{\"add_generation_prompt\": {}}}", options.add_generation_prompt);
  std::vector<jinja::RenderInput::Document> documents = {
      {R"({"tools": null, "documents": null})", false, false},
      {impl.special_tokens_json, false, false},
  };
  if (!options.kwargs_json.empty()) documents.push_back({options.kwargs_json, true, false});
  documents.push_back({given, false, true});
  input.documents = std::move(documents);
  input.now = options.now ? *options.now : jinja::LocalNow();
  Result<jinja::RenderedText> rendered = (*chosen)->Render(input);
  if (!rendered.ok()) return rendered.status().WithPrefix(kPrefix);
  return rendered;
}

Result<jinja::RenderedText> RenderTurns(const ChatTemplate::Impl& impl,
                                        std::span<const ChatMessage> messages,
                                        const RenderOptions& options) {
  jinja::RenderInput input;
  input.messages.emplace();
  for (const ChatMessage& m : messages) input.messages->push_back({m.role, m.content});
  return RenderText(impl, std::move(input), options);
}

Result<jinja::RenderedText> RenderMessagesJson(const ChatTemplate::Impl& impl,
                                               std::string_view messages_json,
                                               const RenderOptions& options) {
  jinja::RenderInput input;
  input.messages_json = messages_json;
  return RenderText(impl, std::move(input), options);
}

Result<std::string> TextOf(Result<jinja::RenderedText> rendered) {
  if (!rendered.ok()) return rendered.status();
  return std::move(rendered->text);
}

Result<std::vector<RenderedSegment>> SegmentsOf(const Result<jinja::RenderedText>& rendered) {
  if (!rendered.ok()) return rendered.status();
  return ToSegments(*rendered);
}

}  // namespace

Result<ChatTemplate> ChatTemplate::Parse(std::string_view source,
                                         const std::map<std::string, std::string>& special_tokens) {
  Result<jinja::Template> parsed = jinja::Template::Parse(source);
  if (!parsed.ok()) return parsed.status().WithPrefix(kPrefix);
  auto impl = std::make_shared<Impl>();
  impl->templates.emplace_back("default", *std::move(parsed));
  impl->special_tokens_json = ToJson(special_tokens);
  return ChatTemplate(std::move(impl));
}

Result<ChatTemplate> ChatTemplate::FromModelFolder(const std::filesystem::path& folder) {
  Result<ModelFolderTemplates> found = ReadModelFolderTemplates(folder);
  if (!found.ok()) return found.status();
  auto impl = std::make_shared<Impl>();
  for (const auto& named : found->templates) {
    Result<jinja::Template> parsed = jinja::Template::Parse(named.source);
    if (!parsed.ok()) {
      const Status status = parsed.status();
      const bool corrupt = status.code() == StatusCode::kInvalidArgument;
      return Status(corrupt ? StatusCode::kCorruptData : status.code(),
                    fmt::format("{}: {}", named.where, status.message()));
    }
    impl->templates.emplace_back(named.name, *std::move(parsed));
  }
  impl->special_tokens_json = std::move(found->special_tokens_json);
  return ChatTemplate(std::move(impl));
}

Result<ChatTemplate> ChatTemplate::BuiltIn(std::string_view conv_type) {
  const Result<const BuiltInTemplate*> found = FindBuiltInTemplate(conv_type);
  if (!found.ok()) return found.status();
  Result<jinja::Template> parsed = jinja::Template::Parse((*found)->source);
  if (!parsed.ok())
    return Internal(fmt::format("built-in template {}: {}", conv_type, parsed.status().message()));
  auto impl = std::make_shared<Impl>();
  impl->templates.emplace_back("default", *std::move(parsed));
  impl->special_tokens_json = "{}";
  impl->leaves_bos_to_tokenizer = (*found)->leaves_bos_to_tokenizer;
  return ChatTemplate(std::move(impl));
}

std::vector<std::string_view> ChatTemplate::BuiltInNames() { return BuiltInTemplateNames(); }

Result<std::string> ChatTemplate::Render(std::span<const ChatMessage> messages,
                                         const RenderOptions& options) const {
  return TextOf(RenderTurns(*impl_, messages, options));
}

Result<std::vector<RenderedSegment>> ChatTemplate::RenderSegments(
    std::span<const ChatMessage> messages, const RenderOptions& options) const {
  return SegmentsOf(RenderTurns(*impl_, messages, options));
}

Result<std::string> ChatTemplate::RenderJson(std::string_view messages_json,
                                             const RenderOptions& options) const {
  return TextOf(RenderMessagesJson(*impl_, messages_json, options));
}

Result<std::vector<RenderedSegment>> ChatTemplate::RenderSegmentsJson(
    std::string_view messages_json, const RenderOptions& options) const {
  return SegmentsOf(RenderMessagesJson(*impl_, messages_json, options));
}

std::vector<std::string> ChatTemplate::names() const {
  std::vector<std::string> names;
  for (const auto& [name, parsed] : impl_->templates) names.push_back(name);
  return names;
}

bool ChatTemplate::leaves_bos_to_tokenizer() const { return impl_->leaves_bos_to_tokenizer; }

}  // namespace quarry
