// Questions about a text with several sentences planted in it, one of which answers. Every model is
// asked in the same words.

#include <fmt/format.h>

#include "eval/metrics.h"
#include "eval/planted.h"
#include "eval/python_random.h"
#include "eval/tasks.h"

namespace quarry::eval {
namespace {

struct Fact {
  std::string sentence;
  std::string question;
  std::string answer;
};

class PlantedTask : public EvalTask {
 public:
  int64_t min_length() const override { return 256; }

  Result<std::vector<Sample>> Generate(const TaskContext& context,
                                       const TaskRequest& request) const override {
    PythonRandom random(request.seed);
    std::vector<Sample> samples;
    for (int64_t i = 0; i < request.samples; ++i) {
      const std::vector<Fact> facts = Draw(context, random);
      std::vector<Plant> plants;
      for (const Fact& fact : facts) {
        plants.push_back({" " + fact.sentence, 100 * random.Random()});
      }
      const size_t asked = random.Below(facts.size());
      const auto start = static_cast<int64_t>(random.Below(context.haystack_tokens.size()));
      Sample s;
      s.index = i;
      s.depth = plants[asked].depth;
      s.question = facts[asked].question;
      s.answers = {facts[asked].answer};
      s.max_new_tokens = 32;
      const Status status = FitDocument(context, request.length, start, plants, s);
      if (!status.ok()) return status.WithPrefix(name());
      samples.push_back(std::move(s));
    }
    return samples;
  }

  double Score(const Sample& sample, std::string_view answer) const override {
    return HasPhrase(answer, sample.answers);
  }

 protected:
  // What is planted; any of it may be asked for.
  virtual std::vector<Fact> Draw(const TaskContext& context, PythonRandom& random) const = 0;
};

class MultiNeedleTask final : public PlantedTask {
 public:
  std::string_view name() const override { return "multi-needle"; }
  std::string_view summary() const override { return "four numbers in a text, one is asked for"; }

 protected:
  std::vector<Fact> Draw(const TaskContext& context, PythonRandom& random) const override {
    std::vector<Fact> facts;
    for (int i = 0; i < 4; ++i) {
      const std::string key = (*context.keys)[random.Below(context.keys->size())];
      const std::string number = fmt::to_string(random.RandInt(1'000'000, 9'999'999));
      facts.push_back({fmt::format("The special magic number for {} is {}.", key, number),
                       fmt::format("What is the special magic number for {}?", key), number});
    }
    return facts;
  }
};

class VariablesTask final : public PlantedTask {
 public:
  std::string_view name() const override { return "variables"; }
  std::string_view summary() const override {
    return "two assignments in a text, one is asked for";
  }

 protected:
  std::vector<Fact> Draw(const TaskContext&, PythonRandom& random) const override {
    std::vector<Fact> facts;
    for (int i = 0; i < 2; ++i) {
      const std::string variable = random.Choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 5);
      const std::string number = fmt::to_string(random.RandInt(10000, 99999));
      facts.push_back({fmt::format("VAR {} = {}.", variable, number),
                       fmt::format("What is the value of VAR {}?", variable), number});
    }
    return facts;
  }
};

class FactsTask final : public PlantedTask {
 public:
  std::string_view name() const override { return "facts"; }
  std::string_view summary() const override {
    return "four facts about people and places in a text, one is asked for";
  }

 protected:
  std::vector<Fact> Draw(const TaskContext&, PythonRandom& random) const override {
    // Two of each of two kinds, about four different people or places.
    const auto names = random.Sample(static_cast<int64_t>(Names().size()), 4);
    const auto cities = random.Sample(static_cast<int64_t>(Cities().size()), 4);
    const auto kinds = random.Sample(3, 2);
    std::vector<Fact> facts;
    for (size_t i = 0; i < 4; ++i) {
      const std::string_view name = Names()[static_cast<size_t>(names[i])];
      const std::string_view city = Cities()[static_cast<size_t>(cities[i])];
      switch (kinds[i % 2]) {
        case 0:
          facts.push_back({fmt::format("The favorite city of {} is {}.", name, city),
                           fmt::format("What is the favorite city of {}?", name),
                           std::string(city)});
          break;
        case 1: {
          const std::string room = fmt::to_string(random.RandInt(100, 999));
          facts.push_back({fmt::format("The room number of {} is {}.", name, room),
                           fmt::format("What is the room number of {}?", name), room});
          break;
        }
        default: {
          const std::string number = fmt::to_string(random.RandInt(1'000'000, 9'999'999));
          facts.push_back({fmt::format("The magic number of {} is {}.", city, number),
                           fmt::format("What is the magic number of {}?", city), number});
        }
      }
    }
    return facts;
  }
};

}  // namespace

std::span<const EvalTask* const> PlantedTasks() {
  static const MultiNeedleTask multi_needle;
  static const FactsTask facts;
  static const VariablesTask variables;
  static const EvalTask* const tasks[] = {&multi_needle, &facts, &variables};
  return tasks;
}

}  // namespace quarry::eval
