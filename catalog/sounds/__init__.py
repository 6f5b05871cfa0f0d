"""Sounds: the samples of a WAV file, and its waveform and spectrogram as a picture."""
