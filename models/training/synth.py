"""Synthetic speech with exact phone times: flite (-psdur), espeak-ng (phone events of its library) and festival.

usage: synth.py OUT.pkl SECONDS_OF_FLITE SECONDS_OF_ESPEAK UTTERANCES_OF_FESTIVAL
Prompts are strings of everyday words, drawn by this script. Output: one int16 array of 16 kHz sound and, an utterance
each, (first sample, samples) and phone segments (class, start s, end s).
"""
import ctypes
import os
import pickle
import subprocess
import sys
import tempfile
import wave

import numpy as np
from scipy.signal import resample_poly

from phones import FLITE, ipa_classes, spread_over

EN = '''the a my your we they people some many more very about over above please maybe before after family mother father
baby bubble people paper apple happy pepper public problem simple sample maybe number member remember summer morning moment
milk market money music map moon room home time name game become from team film farm five four food fish family found first
off of fever very voice village visit every never seven eleven love leave live move brave river over wave think thing three
through this that these those other weather mouth south both breath water wet want what when where why window winter wonder
away always one work word world well would was war quick question queen twenty sweet red right road river rain around room
run really lake long little light late look low yellow hello hollow balloon all ball call tall small doll tell well old cold
see sea say said same sun soon some see six city sister salt song so such sky stop street station story strange straight
zoo zero easy busy music visit shoe show she should shop sharp fish wash wish push chair child church cheap watch teach
much job just judge large bridge orange measure vision usual yes you young year yard use unit cue few new you beauty
go good game give get big dog egg leg bag talk take make book look back black coffee cake kitchen king car card cat cut come
sing long strong young hand hat house how head heart high hope happy heavy behind ahead arm are art father far hot not lot
got clock doctor stop bat bad man plan hand stand land thank ask glass dance bed bread friend end send tent best test never
ever bit sit fish dish kiss big win begin meet green tree free sea key feel sleep need week day way play say make rain train
late great eight day my fly try time night light five nice like side boy toy join voice noise coin go no home stone phone
road cold both out house now how down town brown loud about boot food moon soon blue two who move do school put book good
foot would could bird word first learn girl turn nurse early but cup up come love money young does enough Monday Tuesday
Wednesday Thursday Friday camera computer elephant umbrella vegetable beautiful important different government information
conversation television photograph philosophy mathematics wonderful impossible remarkable comfortable understand tomorrow
yesterday together animal hospital telephone probably obviously unfortunately example
and and and to to in in on for with at by it is it is but or if then than'''.split()
OTHER = {
    'cmn': '你 我 他 们 好 是 的 不 在 有 人 大 小 中国 学生 老师 朋友 今天 明天 昨天 天气 很好 吃饭 喝水 看书 说话 音乐 电影 漂亮 高兴 问题 工作 时间 女人 绿色 月亮 爸爸 妈妈 北京 飞机 汽车 房子 风 水 火 山 我们 可以 一起 去 公园 走路 买 东西 多少 钱 谢谢 对不起 没关系 什么 怎么 为什么 哪里 非常 喜欢 这个 那个 方法 发现 服务 模型 声音 图片 跑步 苹果 面包 蛋糕 春天 夏天 秋天 冬天'.split(),
    'de': 'ich du wir haben heute morgen schön über für Bücher Mutter Vater Freund kommen gehen sprechen Wasser Wein Brot Apfel Zeit Jahr Stadt Haus groß klein müde fünf vier drei zwei wunderbar Problem Fenster Musik und der die das nicht mit auf von am immer wieder Möglichkeit Februar öffnen spielen'.split(),
    'fr': 'je tu nous vous avons aujourd’hui demain beau petit grand maison bateau fleur feu peu lune rue voiture père mère ami bonjour merci parler manger boire vin pain pomme pour avec sans dans un une le la les jamais toujours beaucoup musique fenêtre problème femme homme vivre ouvrir'.split(),
    'es': 'yo tú nosotros hablamos hoy mañana bueno pequeño grande casa barco flor fuego luna calle coche padre madre amigo gracias hablar comer beber vino pan manzana para con sin en un una el la los nunca siempre mucho música ventana problema mujer hombre vivir abrir verde blanco'.split(),
    'it': 'io noi parliamo oggi domani bello piccolo grande casa barca fiore fuoco luna strada padre madre amico grazie parlare mangiare bere vino pane mela per con senza un una il la mai sempre molto musica finestra problema donna uomo vivere aprire verde bianco'.split(),
    'pt': 'eu nós falamos hoje amanhã bom pequeno grande casa barco flor fogo lua rua carro pai mãe amigo obrigado falar comer beber vinho pão maçã para com sem um uma nunca sempre muito música janela problema mulher homem viver abrir verde branco'.split(),
    'ru': 'я мы говорим сегодня завтра хорошо маленький большой дом вода огонь луна улица машина папа мама друг спасибо говорить есть пить вино хлеб яблоко для без один никогда всегда много музыка окно проблема женщина мужчина жить'.split(),
    'ja': 'わたし あなた きょう あした とても おおきい ちいさい いえ みず ひ つき みち くるま ちち はは ともだち ありがとう はなす たべる のむ パン りんご ふゆ なつ はる あき おんがく まど もんだい ひと いきる'.split(),
}
random = np.random.default_rng(7)


def prompt(words):
    parts = []
    for _ in range(random.integers(1, 4)):
        parts.append(' '.join(random.choice(words, random.integers(2, 7))))
    return ', '.join(parts) + random.choice(['.', '?', '.'])


def flite(text, voice):
    with tempfile.NamedTemporaryFile(suffix='.wav') as out:
        stretch = f'{random.uniform(0.72, 1.2):.2f}'
        shown = subprocess.run(['flite', '-voice', voice, '--setf', f'duration_stretch={stretch}', '-psdur', '-t', text, '-o', out.name],
                               capture_output=True, text=True, check=True).stdout
        with wave.open(out.name) as sound:
            rate = sound.getframerate()
            pcm = np.frombuffer(sound.readframes(sound.getnframes()), np.int16).astype(np.float64)
    if rate != 16000:
        pcm = resample_poly(pcm, 16000, rate)
    segments, start = [], 0.0
    for item in shown.split():
        name, end = item.rsplit(':', 1)
        segments += spread_over([c for c in FLITE.get(name, ['AH'])], start, float(end))
        start = float(end)
    return pcm, segments


FESTIVAL_VOICES = ('kal_diphone', 'ked_diphone', 'cmu_us_slt_arctic_hts')


def festival(utterances):
    """Yields (pcm, segments): one run of festival a voice says all its prompts."""
    with tempfile.TemporaryDirectory() as folder:
        for v, voice in enumerate(FESTIVAL_VOICES):
            names = [os.path.join(folder, f'{v}-{i}') for i in range(v, utterances, len(FESTIVAL_VOICES))]
            lines = [f'(voice_{voice})', """(define (go text stretch base) (Parameter.set 'Duration_Stretch stretch)
                (let ((u (utt.synth (eval (list 'Utterance 'Text text)))))
                (utt.save.segs u (string-append base ".lab")) (utt.save.wave u (string-append base ".wav") 'riff)))"""]
            lines += [f'(go "{prompt(EN)}" {random.uniform(0.8, 1.2):.2f} "{name}")' for name in names]
            with open(os.path.join(folder, 'all.scm'), 'w') as file:
                file.write('\n'.join(lines))
            subprocess.run(['festival', '-b', file.name], check=True, capture_output=True)
            for name in names:
                with wave.open(name + '.wav') as sound:
                    rate = sound.getframerate()
                    pcm = np.frombuffer(sound.readframes(sound.getnframes()), np.int16).astype(np.float64)
                segments, start = [], 0.0
                for line in open(name + '.lab'):
                    if line.startswith('#'):
                        continue
                    end, _, phone = line.split()
                    segments += spread_over(FLITE.get(phone, ['AH']), start, float(end))
                    start = float(end)
                yield (pcm if rate == 16000 else resample_poly(pcm, 16000, rate)), segments


class EspeakEvent(ctypes.Structure):
    _fields_ = [('type', ctypes.c_int), ('unique', ctypes.c_uint), ('text_position', ctypes.c_int), ('length', ctypes.c_int),
                ('audio_ms', ctypes.c_int), ('sample', ctypes.c_int), ('user', ctypes.c_void_p), ('name', ctypes.c_char * 8)]


class Espeak:
    def __init__(self):
        self.lib = ctypes.CDLL('libespeak-ng.so.1')
        self.rate = self.lib.espeak_Initialize(2, 0, None, 1 | 2)  # synchronous; phone events, IPA names
        self.sound, self.events = [], []
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(EspeakEvent))

        def heard(samples, count, events):
            if samples and count:
                self.sound.append(np.ctypeslib.as_array(samples, (count,)).copy())
            i = 0
            while events[i].type:
                if events[i].type == 7:
                    self.events.append((events[i].audio_ms / 1000, bytes(events[i].name).split(b'\0')[0].decode('utf8', 'ignore')))
                i += 1
            return 0

        self.callback = kind(heard)
        self.lib.espeak_SetSynthCallback(self.callback)

    def say(self, text, voice, speed, pitch, pitch_range):
        self.sound, self.events = [], []
        self.lib.espeak_SetVoiceByName(voice.encode())
        for parameter, value in ((1, speed), (3, pitch), (4, pitch_range)):
            self.lib.espeak_SetParameter(parameter, value, 0)
        raw = text.encode()
        self.lib.espeak_Synth(raw, len(raw) + 1, 0, 0, 0, 1, None, None)
        self.lib.espeak_Synchronize()
        pcm = resample_poly(np.concatenate(self.sound).astype(np.float64), 320, 441)
        segments = []
        ends = [t for t, _ in self.events[1:]] + [len(pcm) / 16000]
        for (start, name), end in zip(self.events, ends):
            segments += spread_over(ipa_classes(name), start, end)
        return pcm, segments


def main():
    out, flite_s, espeak_s, utterances = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    sounds, index, at = [], [], 0
    espeak = Espeak()
    variants = [''] + [f'+m{i}' for i in range(1, 8)] + [f'+f{i}' for i in range(1, 6)]
    languages = ['en-us'] * 4 + ['en-gb'] * 3 + ['en-gb-scotland', 'cmn', 'cmn', 'cmn', 'cmn'] + ['de', 'fr-fr', 'es', 'it', 'pt', 'ru', 'ja']
    done = {'flite': 0.0, 'espeak': 0.0}

    def take(pcm, segments):
        """Speed, pitch and formants change together; the segments follow. Returns the seconds taken."""
        nonlocal at
        up = int(round(random.uniform(0.86, 1.18) * 100))
        pcm = resample_poly(pcm, up, 100)
        pcm = pcm / max(1.0, np.abs(pcm).max()) * 20000
        sounds.append(pcm.astype(np.int16))
        index.append((at, len(pcm), [(name, start * up / 100, end * up / 100) for name, start, end in segments]))
        at += len(pcm)
        return len(pcm) / 16000

    while done['flite'] < flite_s or done['espeak'] < espeak_s:
        source = 'flite' if done['flite'] < flite_s else 'espeak'
        if source == 'flite':
            pcm, segments = flite(prompt(EN), str(random.choice(['slt', 'rms', 'awb', 'kal16', 'slt', 'rms', 'awb'])))
        else:
            language = str(random.choice(languages))
            words = OTHER.get(language[:2] if language != 'cmn' else 'cmn', EN)
            pcm, segments = espeak.say(prompt(words), language + str(random.choice(variants)), int(random.integers(130, 270)),
                                       int(random.integers(10, 90)), int(random.integers(20, 80)))
        done[source] += take(pcm, segments)
    for pcm, segments in festival(utterances):
        take(pcm, segments)
    with open(out, 'wb') as file:
        pickle.dump({'pcm': np.concatenate(sounds), 'index': index}, file)
    print('utterances', len(index), 'seconds', at / 16000)


if __name__ == '__main__':
    main()
