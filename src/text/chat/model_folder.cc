#include "text/chat/model_folder.h"

#include <algorithm>
#include <map>
#include <new>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/quoted.h"
#include "format/gguf.h"
#include "text/jinja/dict.h"
#include "text/jinja/json.h"
#include "text/jinja/limits.h"
#include "text/jinja/runtime.h"
#include "text/tokenizer_gguf.h"

namespace quarry {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kLargestConfig = 64u << 20;  // added tokens take megabytes
constexpr std::string_view kDefault = "default";
constexpr size_t kMaxTemplates = 64;

// The names transformers hands to templates.
constexpr std::string_view kTokenNames[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                            "pad_token", "cls_token", "mask_token"};

class FolderReader {
 public:
  explicit FolderReader(const fs::path& folder) : folder_(folder), rt_(Generous(), {}) {}

  Result<ModelFolderTemplates> Run();

 private:
  static jinja::Limits Generous() {
    jinja::Limits limits;
    limits.steps = uint64_t{1} << 40;  // the size of the file is the limit
    return limits;
  }

  static bool Exists(const fs::path& path) {
    std::error_code ignored;
    return fs::is_regular_file(path, ignored);
  }

  // The JSON object in a file; missing if there is no such file.
  Result<jinja::Value> ReadObject(const char* name);
  Status AddTemplateFile(std::string name, const fs::path& path);
  Status AddTemplateFiles();
  Status AddFromConfig(const jinja::Value& chat_template, const fs::path& path);
  Status Add(std::string name, std::string_view source, std::string where);
  void AddTokens(const jinja::Value& config);

  const jinja::Value* Find(const jinja::Value& object, std::string_view name) const {
    return object.is(jinja::Kind::kDict) ? object.dict().Find(name) : nullptr;
  }

  const fs::path& folder_;
  jinja::Runtime rt_;
  ModelFolderTemplates out_;
  std::map<std::string, jinja::Value> tokens_;
};

Result<jinja::Value> FolderReader::ReadObject(const char* name) {
  const fs::path path = folder_ / name;
  if (!Exists(path)) return jinja::Value();
  const Result<std::string> text = ReadFile(path, kLargestConfig);
  if (!text.ok()) return text.status();
  try {
    jinja::Value object = jinja::ParseJson(rt_, *text, false);
    if (object.is(jinja::Kind::kDict)) return object;
    return CorruptData(fmt::format("{}: JSON of type {}, must be an object", path.string(),
                                   jinja::TypeName(object)));
  } catch (const jinja::Error& e) {
    return CorruptData(fmt::format("{}: {}", path.string(), jinja::ToStatus(e, 0).message()));
  }
}

Status FolderReader::Add(std::string name, std::string_view source, std::string where) {
  const auto same = [&](const auto& named) { return named.name == name; };
  if (std::any_of(out_.templates.begin(), out_.templates.end(), same)) return OkStatus();
  if (out_.templates.size() == kMaxTemplates) {
    return CorruptData(fmt::format("{}: at most {} chat templates are read", where, kMaxTemplates));
  }
  out_.templates.push_back({std::move(name), std::string(source), std::move(where)});
  return OkStatus();
}

Status FolderReader::AddTemplateFile(std::string name, const fs::path& path) {
  const Result<std::string> source = ReadFile(path, jinja::Limits{}.source_bytes);
  if (!source.ok()) return source.status();
  return Add(std::move(name), *source, OneLine(path.string()));
}

// chat_template.jinja, and additional_chat_templates/NAME.jinja beside it.
Status FolderReader::AddTemplateFiles() {
  const fs::path main = folder_ / "chat_template.jinja";
  if (Exists(main)) {
    if (const Status s = AddTemplateFile(std::string(kDefault), main); !s.ok()) return s;
  }
  std::error_code error;
  std::vector<fs::path> more;
  for (fs::directory_iterator it(folder_ / "additional_chat_templates", error), end;
       !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".jinja") more.push_back(it->path());
  }
  std::sort(more.begin(), more.end());
  for (const fs::path& path : more) {
    if (const Status s = AddTemplateFile(path.stem().string(), path); !s.ok()) return s;
  }
  return OkStatus();
}

// "chat_template": a string, a list of {"name", "template"}, or an object of named ones.
Status FolderReader::AddFromConfig(const jinja::Value& chat_template, const fs::path& path) {
  const std::string where = path.string() + ": chat_template";
  if (chat_template.string()) {
    return Add(std::string(kDefault), chat_template.view(), where);
  }
  if (chat_template.is(jinja::Kind::kList)) {
    for (const jinja::Value& item : chat_template.list().items()) {
      const jinja::Value* name = Find(item, "name");
      const jinja::Value* source = Find(item, "template");
      if (name == nullptr || source == nullptr || !name->string() || !source->string()) {
        return CorruptData(
            fmt::format("{}: every template of a list needs \"name\" and \"template\"", where));
      }
      const Status s = Add(std::string(name->view()), source->view(),
                           fmt::format("{} {}", where, Quoted(name->view())));
      if (!s.ok()) return s;
    }
    return OkStatus();
  }
  if (chat_template.is(jinja::Kind::kDict)) {
    for (const auto& [name, source] : chat_template.dict().entries()) {
      if (!source.string()) {
        return CorruptData(fmt::format("{}: template {} is no string", where, Quoted(name.view())));
      }
      const Status s = Add(std::string(name.view()), source.view(),
                           fmt::format("{} {}", where, Quoted(name.view())));
      if (!s.ok()) return s;
    }
    return OkStatus();
  }
  return CorruptData(fmt::format("{} is of JSON type {}, must be a string or a list", where,
                                 jinja::TypeName(chat_template)));
}

// A token is a string, or an object whose "content" is one. What is known already stays.
void FolderReader::AddTokens(const jinja::Value& config) {
  const auto text = [&](const jinja::Value& token) -> const jinja::Value* {
    const jinja::Value* content = token.string() ? &token : Find(token, "content");
    return content != nullptr && content->string() ? content : nullptr;
  };
  const auto add = [&](std::string_view name, const jinja::Value& token) {
    if (const jinja::Value* content = text(token)) tokens_.emplace(std::string(name), *content);
  };
  for (std::string_view name : kTokenNames) {
    if (const jinja::Value* token = Find(config, name)) add(name, *token);
  }
  const jinja::Value* named = Find(config, "extra_special_tokens");
  if (named != nullptr && named->is(jinja::Kind::kDict)) {
    for (const auto& [name, token] : named->dict().entries()) add(name.view(), token);
  }
  const jinja::Value* more = Find(config, "additional_special_tokens");
  if (more != nullptr && more->is(jinja::Kind::kList) && more->list().size() > 0) {
    std::vector<jinja::Value> list;
    for (const jinja::Value& token : more->list().items()) {
      if (const jinja::Value* content = text(token)) list.push_back(*content);
    }
    tokens_.emplace("additional_special_tokens", rt_.List(std::move(list)));
  }
}

Result<ModelFolderTemplates> FolderReader::Run() {
  const Result<jinja::Value> config = ReadObject("tokenizer_config.json");
  if (!config.ok()) return config.status();
  const Result<jinja::Value> token_map = ReadObject("special_tokens_map.json");
  if (!token_map.ok()) return token_map.status();
  if (const Status s = AddTemplateFiles(); !s.ok()) return s;
  const bool has_default = std::any_of(out_.templates.begin(), out_.templates.end(),
                                       [](const auto& t) { return t.name == kDefault; });
  if (!has_default) {
    const jinja::Value* found = Find(*config, "chat_template");
    if (found != nullptr && !found->none()) {
      const Status s = AddFromConfig(*found, folder_ / "tokenizer_config.json");
      if (!s.ok()) return s;
    } else {
      const Result<jinja::Value> separate = ReadObject("chat_template.json");
      if (!separate.ok()) return separate.status();
      const jinja::Value* template_value = Find(*separate, "chat_template");
      if (template_value != nullptr && !template_value->none()) {
        const Status s = AddFromConfig(*template_value, folder_ / "chat_template.json");
        if (!s.ok()) return s;
      }
    }
  }
  if (out_.templates.empty()) {
    return NotFound(
        fmt::format("{}: no chat template: neither chat_template.jinja nor "
                    "\"chat_template\" in tokenizer_config.json",
                    folder_.string()));
  }
  AddTokens(*config);
  AddTokens(*token_map);
  jinja::DictBuilder tokens(rt_.heap());
  for (const auto& [name, value] : tokens_) tokens.Set(name, value);
  out_.special_tokens_json = jinja::DumpJson(rt_, tokens.Finish(), {}).view();
  return std::move(out_);
}

Result<ModelFolderTemplates> ReadGguf(const fs::path& path) {
  constexpr std::string_view kKey = "tokenizer.chat_template";
  const Result<GgufFile> file = GgufFile::Open(path);
  if (!file.ok()) return file.status();
  Status error;
  const GgufReader in(*file, error);
  ModelFolderTemplates out;
  const auto add = [&](std::string_view name, const std::string& key) {
    if (in.Has(key)) {
      out.templates.push_back({std::string(name), std::string(in.String(key)),
                               fmt::format("{}: {}", path.string(), OneLine(key))});
    }
  };
  add(kDefault, std::string(kKey));
  for (std::string_view name : in.Strings("tokenizer.chat_templates", kMaxTemplates)) {
    if (name != kDefault) add(name, fmt::format("{}.{}", kKey, name));
  }
  if (!error.ok()) return error;
  if (out.templates.empty()) {
    return NotFound(fmt::format("{}: no chat template: {} is missing", path.string(), kKey));
  }
  const Result<std::map<std::string, std::string>> tokens = text::GgufSpecialTokens(*file);
  if (!tokens.ok()) return tokens.status();
  out.special_tokens_json =
      nlohmann::json(*tokens).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return out;
}

}  // namespace

Result<ModelFolderTemplates> ReadModelFolderTemplates(const fs::path& folder) {
  try {
    if (IsGgufPath(folder)) return ReadGguf(folder);
    return FolderReader(folder).Run();
  } catch (const jinja::Error& e) {
    return jinja::ToStatus(e, 0).WithPrefix(folder.string());
  } catch (const std::bad_alloc&) {
    return OutOfMemory(
        fmt::format("{}: not enough memory to read the chat template", folder.string()));
  }
}

}  // namespace quarry
