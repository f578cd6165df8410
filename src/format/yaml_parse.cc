#include <algorithm>
#include <exception>
#include <map>
#include <new>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "base/quoted.h"
#include "base/utf8.h"
#include "format/yaml.h"

namespace quarry {
namespace {

// Carries an error out of the parser's callbacks.
struct Stop {
  Status status;
};

// Whether the scalar that starts at `pos`, behind its anchor and tag, is unquoted or ends its
// quotes on the same line. yaml-cpp takes a missing quote for one at the end of the file.
bool ClosesItsQuotes(std::string_view text, size_t pos) {
  while (pos < text.size() && (text[pos] == '&' || text[pos] == '!')) {
    pos = text.find_first_of(" \t\n", pos);
    pos = text.find_first_not_of(" \t\n", pos);
  }
  if (pos >= text.size() || (text[pos] != '"' && text[pos] != '\'')) return true;
  const char quote = text[pos];
  while (++pos < text.size() && text[pos] != '\n') {
    if (quote == '"' && text[pos] == '\\') {
      ++pos;
    } else if (text[pos] == quote) {
      if (quote == '"' || !text.substr(pos + 1).starts_with('\'')) return true;
      ++pos;
    }
  }
  return false;
}

// Builds the tree from the parser's events; stops before anything grows past its limit.
class Builder : public YAML::EventHandler {
 public:
  Builder(std::string_view text, std::string_view name, const YamlLimits& limits)
      : text_(text), name_(name), limits_(limits) {}

  YamlNode Take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (n_documents_++ > 0) Fail(mark, "a second document, must be one");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { Add(mark, {}, anchor); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode node;
    node.kind = YamlNode::Kind::kScalar;
    node.scalar = value;
    node.quoted = IsString(mark, tag);
    if (!ClosesItsQuotes(text_, static_cast<size_t>(mark.pos))) {
      Fail(mark, "quoted text does not end on its line");
    }
    Add(mark, std::move(node), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto it = anchors_.find(anchor);
    if (it == anchors_.end()) Fail(mark, "an alias inside its own anchor");
    Count(mark, it->second.size);
    Finish(mark, it->second.node);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, YamlNode::Kind::kList);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, YamlNode::Kind::kMap);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapEnd() override { Close(); }

 private:
  struct Size {
    size_t nodes = 0;
    size_t bytes = 0;
  };
  struct OpenNode {
    YamlNode node;
    YAML::Mark mark;
    YAML::anchor_t anchor = 0;
    Size before;                     // of the document so far
    std::optional<YamlEntry> entry;  // a key that waits for its value
  };
  struct Anchored {
    YamlNode node;
    Size size;
  };

  [[noreturn]] void Fail(const YAML::Mark& mark, std::string_view what) const {
    throw Stop{CorruptData(fmt::format("{}:{}: {}", name_, mark.line + 1, what))};
  }

  void Count(const YAML::Mark& mark, Size more) {
    size_.nodes += more.nodes;
    size_.bytes += more.bytes;
    if (size_.nodes > limits_.nodes) {
      Fail(mark, fmt::format("more than {} values", limits_.nodes));
    }
    if (size_.bytes > limits_.bytes) {
      Fail(mark, fmt::format("more than {} bytes with aliases written out", limits_.bytes));
    }
  }

  // Whether a scalar is one by its quotes or its tag.
  bool IsString(const YAML::Mark& mark, const std::string& tag) const {
    CheckTag(mark, tag);
    return tag == "!" || tag == "tag:yaml.org,2002:str";
  }
  void CheckTag(const YAML::Mark& mark, const std::string& tag) const {
    if (tag.empty() || tag == "?" || tag == "!") return;
    for (std::string_view type : {"str", "int", "float", "bool", "null", "map", "seq"}) {
      if (tag == fmt::format("tag:yaml.org,2002:{}", type)) return;
    }
    Fail(mark, fmt::format("tag {} is not supported", Quoted(tag)));
  }

  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            YamlNode::Kind kind) {
    CheckTag(mark, tag);
    if (static_cast<int>(open_.size()) >= limits_.depth) {
      Fail(mark, fmt::format("nested deeper than {} maps and lists", limits_.depth));
    }
    OpenNode open;
    open.node.kind = kind;
    open.mark = mark;
    open.anchor = anchor;
    open.before = size_;
    Count(mark, {1, 0});
    open_.push_back(std::move(open));
  }

  void Close() {
    OpenNode done = std::move(open_.back());
    open_.pop_back();
    if (done.anchor != 0) {
      anchors_[done.anchor] = {done.node,
                               {size_.nodes - done.before.nodes, size_.bytes - done.before.bytes}};
    }
    Finish(done.mark, std::move(done.node));
  }

  void Add(const YAML::Mark& mark, YamlNode node, YAML::anchor_t anchor) {
    const Size size = {1, node.scalar.size()};
    Count(mark, size);
    if (anchor != 0) anchors_[anchor] = {node, size};
    Finish(mark, std::move(node));
  }

  // Puts a complete node where it belongs: a map takes keys and values in turn.
  void Finish(const YAML::Mark& mark, YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    OpenNode& parent = open_.back();
    if (parent.node.kind == YamlNode::Kind::kList) {
      parent.node.items.push_back(std::move(node));
    } else if (parent.entry.has_value()) {
      parent.entry->value = std::move(node);
      parent.node.entries.push_back(*std::move(parent.entry));
      parent.entry.reset();
    } else {
      parent.entry = Key(mark, std::move(node), parent.node);
    }
  }

  YamlEntry Key(const YAML::Mark& mark, YamlNode node, const YamlNode& map) const {
    if (node.kind != YamlNode::Kind::kScalar) {
      Fail(mark, fmt::format("a key is {}, must be a name", ShowYaml(node)));
    }
    if (node.scalar == "<<" && !node.quoted) Fail(mark, "merge keys (<<) are not supported");
    if (const YamlEntry* before = map.Find(node.scalar)) {
      Fail(mark, fmt::format("key {} appears twice, first in line {}", Quoted(node.scalar),
                             before->line));
    }
    YamlEntry entry;
    entry.key = std::move(node.scalar);
    entry.line = mark.line + 1;
    return entry;
  }

  std::string_view text_;
  std::string_view name_;
  YamlLimits limits_;
  int n_documents_ = 0;
  Size size_;
  YamlNode root_;
  std::vector<OpenNode> open_;
  std::map<YAML::anchor_t, Anchored> anchors_;
};

// Fills in `path`, which an anchored map has only where it is used. Depth is bounded by the parser.
void SetPaths(YamlNode& node, const std::string& prefix) {
  for (YamlEntry& entry : node.entries) {
    entry.path = prefix + OneLine(entry.key, 80);
    SetPaths(entry.value, entry.path + ".");
  }
  for (YamlNode& item : node.items) SetPaths(item, prefix + "[].");
}

// Text that the library underneath would decode by guessing, or show unreadably.
Status CheckText(std::string_view text, std::string_view name) {
  const auto line_of = [&](size_t at) {
    return std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n') + 1;
  };
  if (const size_t at = FindInvalidUtf8(text); at != text.npos) {
    return CorruptData(fmt::format("{}:{}: invalid UTF-8", name, line_of(at)));
  }
  const auto control = std::find_if(text.begin(), text.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return (u < 0x20 && c != '\n' && c != '\r' && c != '\t') || u == 0x7f;
  });
  if (control != text.end()) {
    return CorruptData(fmt::format("{}:{}: control character 0x{:02x}", name,
                                   line_of(static_cast<size_t>(control - text.begin())),
                                   static_cast<unsigned char>(*control)));
  }
  return OkStatus();
}

}  // namespace

Result<YamlNode> ParseYaml(std::string_view text, std::string_view name, const YamlLimits& limits) {
  if (text.size() > limits.bytes) {
    return CorruptData(
        fmt::format("{}: {} bytes, at most {} are read", name, text.size(), limits.bytes));
  }
  if (Status s = CheckText(text, name); !s.ok()) return s;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // marks would not count it
  try {
    Builder builder(text, name, limits);
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
    YamlNode root = builder.Take();
    SetPaths(root, "");
    return root;
  } catch (const Stop& stop) {
    return stop.status;
  } catch (const YAML::Exception& e) {
    return CorruptData(
        fmt::format("{}:{}: not valid YAML: {}", name, e.mark.line + 1, OneLine(e.msg)));
  } catch (const std::bad_alloc&) {
    return OutOfMemory(fmt::format("{}: no memory for {} bytes of YAML", name, text.size()));
  } catch (const std::exception& e) {
    return CorruptData(fmt::format("{}: not valid YAML: {}", name, OneLine(e.what())));
  }
}

}  // namespace quarry
