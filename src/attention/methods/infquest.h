// InfQuest: the window, sinks and capped distances of InfLLM (arXiv:2402.04617), with Quest's pages
// (arXiv:2406.10774) as the address of its memory. Every query head retrieves the pages whose keys,
// by their smallest and largest value per channel, may match its query best; prompts are read with
// a small budget and answered with a large one.
#pragma once

#include <memory>

#include "attention/method.h"

namespace quarry {

std::unique_ptr<const AttentionMethod> MakeInfQuest(const InfQuestConfig& config);

}  // namespace quarry
