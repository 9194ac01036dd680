"""TFX components: Trainer, Evaluator and Pusher."""
