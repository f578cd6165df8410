#include <algorithm>

#include <fmt/format.h>

#include "base/nearest_name.h"
#include "base/quoted.h"
#include "eval/tasks.h"

namespace quarry::eval {
namespace {

struct Group {
  std::string_view name;
  bool (*holds)(std::string_view task);
};

constexpr Group kGroups[] = {
    {"niah", [](std::string_view task) { return task.starts_with("niah_"); }},
    {"ruler", IsRulerTask},
    {"infinitebench", [](std::string_view task) { return task.starts_with("infinitebench/"); }},
};

}  // namespace

bool IsRulerTask(std::string_view name) {
  const auto tasks = RulerTasks();
  return std::any_of(tasks.begin(), tasks.end(), [&](const auto* t) { return t->name() == name; });
}

std::span<const EvalTask* const> AllTasks() {
  static const std::vector<const EvalTask*> tasks = [] {
    std::vector<const EvalTask*> all = {&PasskeyTaskInstance(), &NeedleTaskInstance(),
                                        &NeedleFactTaskInstance(), &KvRetrievalTaskInstance()};
    for (const auto& some : {PlantedTasks(), RulerTasks()}) {
      all.insert(all.end(), some.begin(), some.end());
    }
    all.push_back(&PerplexityTaskInstance());
    const auto files = InfiniteBenchTasks();
    all.insert(all.end(), files.begin(), files.end());
    return all;
  }();
  return tasks;
}

std::vector<std::string_view> GroupNames() {
  std::vector<std::string_view> names;
  for (const Group& g : kGroups) names.push_back(g.name);
  return names;
}

Result<std::vector<const EvalTask*>> FindTasks(std::string_view name) {
  if (name == "ppl") name = "perplexity";
  std::vector<const EvalTask*> found;
  std::vector<std::string_view> names;
  for (const EvalTask* task : AllTasks()) {
    names.push_back(task->name());
    if (task->name() == name) found.push_back(task);
  }
  for (const Group& group : kGroups) {
    names.push_back(group.name);
    if (group.name != name) continue;
    for (const EvalTask* task : AllTasks()) {
      if (group.holds(task->name())) found.push_back(task);
    }
  }
  if (!found.empty()) return found;
  return InvalidArgument(fmt::format("unknown task {}{}", Quoted(name), Suggestion(name, names)));
}

}  // namespace quarry::eval
