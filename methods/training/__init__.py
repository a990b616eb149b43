"""How a stack of models is trained: data, problem, schedule, parameters, optimiser, loop, random streams."""
