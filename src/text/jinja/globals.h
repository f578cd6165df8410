// The functions every template finds: range, dict, namespace, cycler, joiner, and the two that
// transformers adds, raise_exception and strftime_now.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/host_object.h"

namespace quarry::jinja {

// Missing if there is no such global.
Value FindGlobal(Runtime& rt, std::string_view name);

// Attributes that a template sets. Owned by the heap, for it may hold itself.
class Namespace : public HostObject {
 public:
  explicit Namespace(Heap& heap) : HostObject(&heap, sizeof(Namespace)), heap_(heap) {}
  ~Namespace() override { heap_.Release(counted_); }

  void Set(std::string_view name, Value value);

  std::string_view type_name() const override { return "Namespace"; }
  std::string_view module() const override { return "jinja2.utils"; }
  std::optional<Value> Attribute(Runtime& rt, std::string_view name) override;
  void AppendRepr(Runtime& rt, bool from_user, StrBuilder& out) override;
  void Clear() override;

 private:
  Heap& heap_;
  size_t counted_ = 0;
  std::map<std::string, size_t, std::less<>> index_;
  std::vector<std::pair<std::string, Value>> attributes_;
};

}  // namespace quarry::jinja
